/******/ (() => { // webpackBootstrap
/******/ 	"use strict";
/******/ 	// The require scope
/******/ 	var __nccwpck_require__ = {};
/******/ 	
/************************************************************************/
/******/ 	/* webpack/runtime/compat get default export */
/******/ 	(() => {
/******/ 		// getDefaultExport function for compatibility with non-harmony modules
/******/ 		__nccwpck_require__.n = (module) => {
/******/ 			var getter = module && module.__esModule ?
/******/ 				() => (module['default']) :
/******/ 				() => (module);
/******/ 			__nccwpck_require__.d(getter, { a: getter });
/******/ 			return getter;
/******/ 		};
/******/ 	})();
/******/ 	
/******/ 	/* webpack/runtime/define property getters */
/******/ 	(() => {
/******/ 		// define getter functions for harmony exports
/******/ 		__nccwpck_require__.d = (exports, definition) => {
/******/ 			for(var key in definition) {
/******/ 				if(__nccwpck_require__.o(definition, key) && !__nccwpck_require__.o(exports, key)) {
/******/ 					Object.defineProperty(exports, key, { enumerable: true, get: definition[key] });
/******/ 				}
/******/ 			}
/******/ 		};
/******/ 	})();
/******/ 	
/******/ 	/* webpack/runtime/hasOwnProperty shorthand */
/******/ 	(() => {
/******/ 		__nccwpck_require__.o = (obj, prop) => (Object.prototype.hasOwnProperty.call(obj, prop))
/******/ 	})();
/******/ 	
/******/ 	/* webpack/runtime/make namespace object */
/******/ 	(() => {
/******/ 		// define __esModule on exports
/******/ 		__nccwpck_require__.r = (exports) => {
/******/ 			if(typeof Symbol !== 'undefined' && Symbol.toStringTag) {
/******/ 				Object.defineProperty(exports, Symbol.toStringTag, { value: 'Module' });
/******/ 			}
/******/ 			Object.defineProperty(exports, '__esModule', { value: true });
/******/ 		};
/******/ 	})();
/******/ 	
/************************************************************************/
var __webpack_exports__ = {};
// ESM COMPAT FLAG
__nccwpck_require__.r(__webpack_exports__);

// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  serve: () => (/* binding */ agent_serve)
});

;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = require("node:fs");
;// CONCATENATED MODULE: external "node:stream"
const external_node_stream_namespaceObject = require("node:stream");
;// CONCATENATED MODULE: external "node:v8"
const external_node_v8_namespaceObject = require("node:v8");
;// CONCATENATED MODULE: ./build/common/memory.js
/** How much memory a process uses for garbage. */

/**
 * Keeps V8's young generation at its initial size. It doubles under load, up to 100 MB on a machine with much memory,
 * and contains only garbage. V8 reads the factor whenever it is about to grow (Node 24); a size would be set too late.
 */
function stayLean() {
    setFlagsFromString('--semi-space-growth-factor=1');
}
/**
 * Lets the heap grow threefold before V8 marks it again. V8 counts buffers too, even short-lived ones: with a heap of 34 MB
 * it marked everything after each 9 MB of buffers, 65 times in an upload of 190 MB. That took a fifth of the processor time
 * (Node 24).
 */
function letHeapGrow() {
    (0,external_node_v8_namespaceObject.setFlagsFromString)('--heap-growing-percent=200');
}

;// CONCATENATED MODULE: ./build/common/errors/internal.js
const texts = {
    internal: {
        message: 'An unexpected error occurred: {problem}.',
        remedy: 'Open an issue with the summary of the run.',
        cause: 'A mistake in Gapless. The output `status` is right all the same.',
    },
    'agent-failed': {
        message: 'A system call on the server failed: {problem}.',
        remedy: 'Check `ulimit -a`, `df -h` and `dmesg` on the server, then run the job again.',
        cause: 'A limit of the user (`EMFILE`, `EAGAIN`), a failing disk (`EIO`) or a network file system (`ESTALE`).',
    },
};

;// CONCATENATED MODULE: ./build/common/errors/text.js
/** Ends the remedy of what `command: check` has a row for. */
const SEE_CHECK = 'To see what else is missing, run `command: check`.';
/** Fills a template in. A quoted value has no backticks: those of a message are our own, and shown as code. */
function fill(template, values) {
    return (template
        .replace(/"\{(\w+)\}"|\{(\w+)\}/g, (_, quoted, plain = '') => quoted === undefined ? String(values[plain]) : quote(String(values[quoted])))
        // A value may be a sentence of its own.
        .replace(/([.!?])\.$/, '$1'));
}
function quote(value) {
    return JSON.stringify(value).replaceAll('`', '\\u0060');
}
function codeOf(key) {
    return key.split(': ', 1)[0];
}

;// CONCATENATED MODULE: ./build/common/failure.js
/**
 * The one error type of the project, on the runner and on the server: the summary shows an error of the agent as the
 * agent raised it. The codes and their words are in errors/, which docs/errors.md is generated from.
 */


class Failure extends Error {
    code;
    remedy;
    evidence;
    /** Errors that a user can see are made by the functions in errors/, with the words of the registry. */
    constructor(code, message, options = {}) {
        super(message, { cause: options.cause });
        this.name = 'Failure';
        this.code = code;
        this.remedy = options.remedy;
        this.evidence = options.evidence;
    }
    static from(error, code = 'internal') {
        if (error instanceof Failure)
            return error;
        const problem = error instanceof Error ? error.message : String(error);
        return new Failure(code, fill(texts[code].message, { problem }), {
            remedy: texts[code].remedy,
            cause: error,
            evidence: error instanceof Error ? error.stack : undefined,
        });
    }
    /** Returns a failure that came over the wire as it was raised on the other side. */
    static revive({ code, message, remedy, evidence }) {
        return new Failure(code, message, { remedy: remedy ?? undefined, evidence: evidence ?? undefined });
    }
    /** Returns the same failure with a remark in brackets behind its message. */
    inContext(remark) {
        return this.reworded(`${this.message.replace(/\.$/, '')} (${remark}).`);
    }
    reworded(message, { remedy = this.remedy, evidence = this.evidence } = {}) {
        const { code } = this;
        return new Failure(code, message, { remedy, evidence, cause: this.cause });
    }
    toRecord() {
        const { code, message, remedy = null, evidence = null } = this;
        return { code, message, remedy, evidence };
    }
}

;// CONCATENATED MODULE: ./build/common/errors/raise.js


/** Returns a function that makes the failures of these texts. A value that a text needs and does not get is a type error. */
function failures(texts) {
    return (key, ...[values = {}, { evidence, cause } = {}]) => {
        const { message, remedy } = texts[key];
        return new Failure(codeOf(key), fill(message, values), { remedy: fill(remedy, values), evidence, cause });
    };
}

;// CONCATENATED MODULE: ./build/common/errors/protocol.js
/** What the runner and the server say to each other. */


const REPORT = 'Deploy again. If it fails again, open an issue with the summary of the run.';
const protocol_texts = {
    'malformed-message': {
        message: 'A message or a file on the server is malformed: {problem}.',
        remedy: REPORT,
        cause: 'A file in `<path>/.gapless` or `releases/<id>/.gapless` was edited, or cut by a full disk.',
    },
    'message-too-large': {
        message: 'A message between the runner and the server has {size}, and {limit} are allowed.',
        remedy: 'Shorten `env`. If `env` is short, open an issue with the summary of the run.',
    },
    'connection-lost': {
        message: 'The connection between the runner and the server ended in the middle of a message.',
        remedy: 'Check the network and whether the server restarted, then deploy again.',
    },
    'unsafe-path': {
        message: 'The manifest has a path outside the release: "{path}".',
        remedy: REPORT,
    },
    'unsafe-path: link': {
        message: 'The link "{path}" leaves the release: "{target}".',
        remedy: REPORT,
    },
    'unsafe-path: below link': {
        message: 'The manifest has a path below a link: "{path}".',
        remedy: REPORT,
    },
    'node-missing': {
        message: 'Node.js 18 or later was not found on the server.',
        remedy: `Run \`command: setup\`, or as the user that logs in, without sudo, \`curl -fsSL https://fnm.vercel.app/install | bash\`, then \`~/.local/share/fnm/fnm install 24\`. If Node.js is installed, name its folder in \`bin-path\`. ${SEE_CHECK}`,
    },
    'pm2-missing': {
        message: 'PM2 was not found on the server.',
        remedy: `Run \`command: setup\`, or as the user that logs in, without sudo, \`PATH="{nodeFolder}:$PATH" npm install --global --prefix ~/.local pm2\`. If PM2 is installed, name its folder in \`bin-path\`. ${SEE_CHECK}`,
        cause: 'A shell says [pm2: command not found](#pm2-command-not-found).',
    },
};
const protocol_failure = failures(protocol_texts);

;// CONCATENATED MODULE: ./build/protocol/guards.js
/**
 * Guards turn data from a connection or a file into a typed value, or fail naming the place. The types of the
 * messages are inferred from the guards, so the two cannot differ.
 */

function malformed(problem, cause) {
    return protocol_failure('malformed-message', { problem }, { cause });
}
function refuse(place, expected) {
    throw malformed(`${place} is not ${expected}`);
}
const string = (value, place) => typeof value === 'string' ? value : refuse(place, 'a string');
const guards_boolean = (value, place) => typeof value === 'boolean' ? value : refuse(place, 'a boolean');
const number = (value, place) => typeof value === 'number' && Number.isFinite(value) ? value : refuse(place, 'a number');
/** A non-negative safe integer: sizes, counts, ports, milliseconds. */
const count = (value, place) => Number.isSafeInteger(value) && value >= 0 ? value : refuse(place, 'a whole number');
function matching(pattern) {
    return (value, place) => {
        const text = string(value, place);
        return pattern.test(text) ? text : refuse(place, `like ${pattern.source}`);
    };
}
function oneOf(...accepted) {
    return (value, place) => accepted.includes(value) ? value : refuse(place, `one of ${accepted.join(', ')}`);
}
function nullable(guard) {
    return (value, place) => (value === null || value === undefined ? null : guard(value, place));
}
/** A member that older versions do not write. */
function missingAs(instead, guard) {
    return (value, place) => (value === undefined ? instead : guard(value, place));
}
function list(guard) {
    return (value, place) => Array.isArray(value)
        ? value.map((item, index) => guard(item, `${place}[${index}]`))
        : refuse(place, 'a list');
}
function dictionary(guard) {
    return (value, place) => {
        const entries = Object.entries(record(value, place));
        return Object.fromEntries(entries.map(([key, item]) => [key, guard(item, `${place}.${key}`)]));
    };
}
/** An object with the named members; drops all others. */
function object(shape) {
    return (value, place) => {
        const source = record(value, place);
        const entries = Object.entries(shape).map(([key, guard]) => [key, guard(source[key], `${place}.${key}`)]);
        return Object.fromEntries(entries);
    };
}
function record(value, place) {
    return typeof value === 'object' && value !== null && !Array.isArray(value)
        ? value
        : refuse(place, 'an object');
}
/** Parses and checks JSON text. @throws Failure `malformed-message` */
function parse(guard, text, place) {
    let value;
    try {
        value = JSON.parse(text);
    }
    catch (cause) {
        throw malformed(`${place} is not JSON`, cause);
    }
    return guard(value, place);
}

;// CONCATENATED MODULE: external "node:fs/promises"
const promises_namespaceObject = require("node:fs/promises");
;// CONCATENATED MODULE: external "node:path"
const external_node_path_namespaceObject = require("node:path");
;// CONCATENATED MODULE: ./build/protocol/release-id.js
/** A release's id: the UTC second in which its upload began, `YYYYMMDDHHMMSS`. The same on all hosts. */
const RELEASE_ID = /^\d{14}$/;
/** The id of the current second, or the second after the newest id, whatever the clock says. */
function nextReleaseId(now, taken) {
    const newest = taken
        .flatMap((id) => id ?? [])
        .toSorted()
        .at(-1);
    const id = idOf(now);
    return newest === undefined || id > newest ? id : idOf(new Date(releaseTime(newest).getTime() + 1000));
}
function releaseTime(id) {
    return new Date(id.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z'));
}
function idOf(date) {
    return date.toISOString().replace(/\D/g, '').slice(0, 14);
}

;// CONCATENATED MODULE: ./build/protocol/traffic.js
/** What workers have answered: counts that can be added up, and taken from each other. */

/** The counts at an earlier moment, for how things were before. */
const moment = object({
    /** Of since-boot.ts, in ms. */
    at: count,
    answered: count,
    failed: count,
});
/** What one worker has answered, without health checks, upgrades, and requests that the client itself gave up. */
const traffic = object({
    /** Answers by the first digit of their status, from 1 to 5. */
    answers: list(count),
    /** Connections that the worker closed in the middle of an answer. */
    aborted: count,
    /** Exceptions that no handler caught. */
    errors: count,
    inProgress: count,
    slowestMs: count,
    /** Answers by how long they took: see `bucketOf`. */
    times: list(count),
    /** The longest that the event loop stood still since the last report, in ms. */
    loopDelayMs: count,
    memoryBytes: count,
    /** Failed answers by path, without the query. */
    failing: dictionary(count),
    /** Oldest first, and the closer together the younger they are. */
    past: list(moment),
});
/** Answers that say whether the worker is well: all but those to a mistake of the client (4xx). */
function answeredBy({ answers, aborted }) {
    const [informed = 0, good = 0, redirected = 0, , failed = 0] = answers;
    return informed + good + redirected + failed + aborted;
}
/** Answers with 5xx, and connections that the worker closed in the middle. */
function failedBy({ answers, aborted }) {
    return (answers[4] ?? 0) + aborted;
}
/** Each bucket of times reaches so much further than the one before it. */
const STEP = 1.25;
/** The bucket of an answer that took so long. The first reaches to 1 ms. */
function bucketOf(ms) {
    return ms <= 1 ? 0 : Math.ceil(Math.log(ms) / Math.log(STEP));
}
/** How long all but the slowest 5% took at the most, in ms; null where there were no answers. */
function p95({ times }) {
    const all = times.reduce((total, some) => total + some, 0);
    let left = all * 0.95;
    for (const [bucket, some] of times.entries()) {
        left -= some;
        if (some > 0 && left <= 0)
            return Math.round(STEP ** bucket);
    }
    return null;
}
/** The paths that failed most, the worst first. */
function worstPaths({ failing }, most = 5) {
    return Object.entries(failing)
        .sort(([, one], [, other]) => other - one)
        .slice(0, most);
}

;// CONCATENATED MODULE: ./build/protocol/tally.js
/** Counts of several workers together. */


/** How a release did. */
const share = object({
    /** See `answeredBy` and `failedBy` in traffic.ts. */
    answered: count,
    failed: count,
    /** How long all but the slowest 5% of the answers took at the most, in ms; null where there were none. */
    p95: nullable(count),
});
const noTraffic = { answered: 0, failed: 0, times: [], failing: {} };
/** All that a worker has answered. */
function tallyOf(worker) {
    const { times, failing } = worker;
    return { answered: answeredBy(worker), failed: failedBy(worker), times, failing };
}
function sum(tallies) {
    return tallies.reduce(add, noTraffic);
}
function add(one, other) {
    const failing = { ...one.failing };
    for (const [path, times] of Object.entries(other.failing))
        failing[path] = (failing[path] ?? 0) + times;
    const length = Math.max(one.times.length, other.times.length);
    return {
        answered: one.answered + other.answered,
        failed: one.failed + other.failed,
        times: Array.from({ length }, (_, index) => (one.times[index] ?? 0) + (other.times[index] ?? 0)),
        failing,
    };
}
function toShare(all) {
    return { answered: all.answered, failed: all.failed, p95: p95(all) };
}
/** Fewer answers than this are no picture of a release. */
const ENOUGH = 200;
/** What a worker answered in the last `ms`, or for as much longer as it takes to know it. */
function lately(worker, now, ms) {
    const all = tallyOf(worker);
    const from = worker.past.findLast(({ at, answered }) => now - at >= ms && all.answered - answered >= ENOUGH);
    if (from === undefined)
        return all;
    return { ...all, answered: all.answered - from.answered, failed: all.failed - from.failed };
}

;// CONCATENATED MODULE: ./build/protocol/messages.js




const releaseId = matching(RELEASE_ID);
const healthCheck = object({
    path: string,
    status: list(list(count)),
    body: nullable(string),
    timeoutMs: count,
    intervalMs: count,
    origin: nullable(object({ scheme: oneOf('http', 'https'), host: string })),
});
/**
 * How a release runs. It is kept with the release (`.gapless/runtime.json`, mode 0600), so that a rollback
 * restores the old release's environment and options with its code.
 */
const runtime = object({
    host: string,
    port: count,
    /** Number of workers; 0 means one per core. */
    instances: count,
    maxMemoryBytes: nullable(count),
    nodeOptions: list(string),
    env: dictionary(string),
    health: healthCheck,
    observeMs: count,
    drainTimeoutMs: count,
    /** Paths, relative to the app, that live in `<path>/shared`. */
    sharedDirs: list(string),
    sharedFiles: list(string),
    /** Releases from before this was known have the default. */
    shareCache: missingAs(true, guards_boolean),
    /** The Unix socket that a preview listens on instead of its port; null for every other app. */
    socket: missingAs(null, nullable(string)),
});
/** `.gapless/release.json`: what a release is and where it came from. */
const releaseInfo = object({
    id: releaseId,
    commit: string,
    ref: string,
    actor: string,
    /** Null in releases from before this was recorded. */
    event: nullable(string),
    runUrl: string,
    workflow: string,
    runNumber: count,
    runAttempt: count,
    created: string,
    /** When its build began, by the server's clock; null in releases from before this was known. */
    built: nullable(string),
    /** The release's server.js, relative to the release. */
    entry: string,
    /** Next.js's static files, relative to the release; null in releases from before this was recorded. */
    staticPath: nullable(string),
    nextVersion: string,
    contentHash: string,
    /** Next.js's `distDir`, relative to the release; null in releases from before this was recorded. */
    distDir: nullable(string),
});
const activationKind = oneOf('deploy', 'rollback', 'restore');
/** `.gapless/verified.json`, written when every worker served the release. */
const verification = object({
    /** When it first served. A release that comes back keeps its time, and so its place in the history. */
    activatedAt: string,
    /** The last activation by which a deploy or a rollback made it live. */
    activation: string,
    kind: nullable(activationKind),
    /** The activation that rolled back from it, or past it. */
    leftBy: nullable(string),
});
const releaseSummary = object({
    id: releaseId,
    live: guards_boolean,
    /** ISO time of the first verified activation, or null. */
    activatedAt: nullable(string),
    /** A rollback left it: it is no default target of another rollback. */
    left: guards_boolean,
    /** It waits to be promoted: it was verified, has never served, and is newer than the current release. */
    staged: guards_boolean,
    info: nullable(releaseInfo),
    bytes: count,
});
/** Whether a worker's cache is one with that of the others. */
const cacheSharing = object({
    shared: guards_boolean,
    /** Empty where it is. */
    why: string,
});
const workerState = object({
    pmId: string,
    pid: count,
    /** PM2's word: online, launching, stopped, errored…; `orphaned` where its daemon died and the worker serves on. */
    status: string,
    /** The release that the process really runs, by its own record or its working directory. */
    release: nullable(string),
    /** booting, proving, open (receives traffic), draining. */
    phase: nullable(string),
    restarts: count,
    memoryBytes: count,
    /** Null where the worker does not tell. */
    cache: nullable(cacheSharing),
    /** Null where the worker does not count, or had no visitor. */
    traffic: nullable(traffic),
});
const serverFacts = object({
    node: string,
    nodePath: string,
    /** NODE_MODULE_VERSION, for which native modules without Node-API are compiled. */
    nodeAbi: string,
    /** Why PM2's daemon stays on a Node that setup has replaced; empty: it does not. */
    nodeStays: string,
    platform: string,
    arch: string,
    /** glibc's version, or null on musl and others. */
    glibc: nullable(string),
    /** What binaries are compiled for, by the names in /proc/cpuinfo on x86; empty: unknown. */
    cpuFlags: list(string),
    /** Absolute path of the app's folder. */
    path: string,
    /** Identifies this folder on this machine, whatever names both have. */
    identity: string,
    pm2: nullable(object({ version: string, path: string, home: string })),
    searched: list(string),
    freeBytes: number,
    /** Whether the agent's Node can unpack zstd (22.15, 23.8 and later). */
    zstd: guards_boolean,
    newestId: nullable(releaseId),
    /** What `current` points at. */
    live: nullable(releaseId),
    /** The release that receives the traffic; null where none does, or more than one. */
    serving: nullable(releaseId),
    /** An activation that swapped and ended without a verdict, because its process or the server died. */
    interrupted: nullable(string),
    /** The release that one worker serves as a canary; null where there is none. */
    canary: nullable(releaseId),
    /** How the last canary or probation went, or goes, as a sentence; null where there is nothing to tell. */
    probation: nullable(string),
    lock: nullable(string),
    now: string,
});
const failureRecord = object({
    code: matching(/^[a-z][a-z0-9-]{0,63}$/),
    message: string,
    remedy: nullable(string),
    evidence: nullable(string),
});
const activationStatuses = ['live', 'kept', 'restored', 'down'];
const activationStatus = oneOf(...activationStatuses);
const activationSteps = [
    'lock',
    'pre-activate',
    'swap',
    'canary',
    'reload',
    'health-check',
    'post-activate',
    'watch',
    'rollback',
];
const activationStep = oneOf(...activationSteps);
/** How an activation ended. `failure` says why it is not `live`. */
const verdict = object({
    status: activationStatus,
    /** The release that serves at the end. */
    live: nullable(releaseId),
    /** The release that was live before. */
    previous: nullable(releaseId),
    /** Where a rollback without `release` goes from here; null where there is none, or nothing was verified. */
    rollsBackTo: nullable(releaseId),
    failure: nullable(failureRecord),
    workers: list(workerState),
    /** The lines about missing files that the workers of a live release logged; '' in verdicts of version 0.1. */
    notFound: missingAs('', string),
    /** Null where nobody watched it. */
    watch: nullable(object({
        /** The release is on probation: this is no verdict yet. */
        open: guards_boolean,
        /** What traffic has said last. */
        line: string,
        warnings: list(string),
    })),
});
/** Nothing live was touched: the same release serves as before. @param failure the reason */
function keptVerdict(live, failure) {
    return {
        status: 'kept',
        live,
        previous: live,
        rollsBackTo: null,
        failure,
        workers: [],
        notFound: '',
        watch: null,
    };
}
const before = object({ current: nullable(releaseId), previous: nullable(releaseId) });
/** A release on probation, for whoever resumes the activation. */
const probation = object({
    /** When it began, of since-boot.ts. */
    since: count,
    /** How the release before did until then; null: unknown. */
    before: nullable(share),
    restartsBefore: count,
    pids: list(count),
    /** What comes of it if nothing objects. */
    verdict,
});
/** One worker of the release beside those of the release before, for whoever resumes the activation. */
const canary = object({
    release: releaseId,
    /** When it began, of since-boot.ts. */
    since: count,
    pid: count,
    /** What the workers of the release before had answered by then. */
    others: list(object({ pid: count, answered: count, failed: count })),
});
const entryStates = ['begin', 'note', 'done', 'failed', 'verdict'];
/** One line of the journal, and the event that the action receives while it watches an activation. */
const journalEntry = object({
    time: string,
    activation: string,
    step: nullable(activationStep),
    state: oneOf(...entryStates),
    detail: string,
    verdict: nullable(verdict),
    /** Of the begin of `swap`: the release that `current` pointed at, and the one to restore. Version 0.1 wrote none. */
    before: nullable(before),
    /** Of the begin of `rollback`: the failure that it is for. Version 0.1 wrote none. */
    cause: nullable(failureRecord),
    /** Of the begin of `watch`. */
    probation: nullable(probation),
    /** Of the begin of `canary`, once the worker serves. */
    canary: nullable(canary),
});
const compression = oneOf('brotli', 'zstd');
const run = object({
    commit: string,
    ref: string,
    actor: string,
    /** GitHub's event; '' outside of GitHub, as all that follows, and in activations of version 0.1. */
    event: missingAs('', string),
    runUrl: string,
    /** For people: the workflow's name, and the number of its run. */
    workflow: string,
    runNumber: count,
    /** 1, and one more for each re-run. */
    runAttempt: count,
});
/** What the action sees while it waits for a commit, in bytes. */
const proven = object({ provenBytes: count, totalBytes: count });
const activationId = matching(/^[0-9a-f-]{36}$/);
/** The address that the run itself names; null: it names none. */
const said = object({ host: nullable(string), port: nullable(count) });
const activationRequest = object({
    /** A UUID of the action's, by which it finds the activation again after a lost connection. */
    activation: activationId,
    release: releaseId,
    kind: activationKind,
    /** The release that must be current when the activation starts; null: any. */
    replaces: nullable(releaseId),
    run,
    lockTimeoutMs: count,
    preActivate: nullable(string),
    postActivate: nullable(string),
    /** Null where the app is only restored: the release's own address counts. */
    said: nullable(said),
    /** How long one worker serves the release before the others follow; 0: they follow at once. */
    canaryMs: missingAs(0, count),
    /** How long the release stays on probation once all workers serve it; 0: not at all. */
    watchMs: missingAs(0, count),
});
/** The key of server actions: AES-256, 32 bytes in base64, as Next.js makes it. */
const ACTIONS_KEY = /^[A-Za-z0-9+/]{43}=$/;
const nothing = object({});
const offered = {
    base: nullable(releaseId),
    contentHash: string,
    /** Next.js's `distDir`, relative to the release: what may be written at run time is below it. */
    distDir: string,
};
/** Files that an app has written into its own release, and that are removed with it. */
const writtenInRelease = object({
    release: releaseId,
    /** The first few, relative to the app; a folder ends with a slash. */
    paths: list(string),
    /** Of all paths. */
    count: count,
});
const prunedPreview = object({
    name: string,
    reason: oneOf('ttl', 'limit'),
    /** ISO. */
    deployed: string,
    /** Why it is still there; null: it was removed. */
    problem: nullable(string),
});
const findingEffects = ['ends', 'waits', 'recovers', 'replaces', 'gap'];
/** What a run would meet, and the effect. */
const finding = object({
    /** The run would: end, nothing live touched; wait; finish an earlier run first; replace something; leave a gap. */
    effect: oneOf(...findingEffects),
    code: nullable(string),
    message: string,
    remedy: nullable(string),
});
const surveyRow = object({
    /** Whether a deploy works with it, or works but should not have to. */
    level: oneOf('ok', 'doubt'),
    what: string,
    value: string,
    remedy: nullable(string),
});
const verified = object({
    bootMs: count,
    status: count,
    attempts: count,
    /** Other ports that the app opens and that were taken: it got free ones instead. */
    movedPorts: list(count),
    notFound: string,
    cache: nullable(cacheSharing),
});
/** Every operation of the agent: parameters, result. `body` operations are followed by data frames; `verify` also answers with some. */
const operations = {
    inspect: { params: nothing, result: serverFacts },
    releases: { params: nothing, result: object({ releases: list(releaseSummary) }) },
    status: {
        params: nothing,
        result: object({
            /** What `current` points at. */
            live: nullable(releaseId),
            /** The release of the workers that receive traffic, where all run the same. */
            served: nullable(releaseId),
            releases: list(releaseSummary),
            workers: list(workerState),
            lock: nullable(string),
            interrupted: nullable(string),
            /** How the current release has done since it went live; null where no worker tells. */
            lived: nullable(string),
            journal: list(journalEntry),
        }),
    },
    /** The key that Next.js builds server actions with, the same for all releases of the app; null: there is none. */
    encryptionKey: {
        params: object({ create: guards_boolean }),
        result: object({ key: nullable(matching(ACTIONS_KEY)) }),
    },
    /** The outline of the newest release, to upload on top of: see agent/upload/outline.ts. */
    outline: {
        params: nothing,
        result: object({
            base: nullable(releaseId),
            /** Base64: the short hashes of its folders. */
            folders: string,
        }),
    },
    /** Body: the manifest as the difference from the base, compressed. Answers which contents the server lacks. */
    stage: {
        params: object({
            ...offered,
            id: releaseId,
            /** The connection was lost: this resumes the upload of that id, and ends its session. */
            resumes: guards_boolean,
        }),
        result: object({
            /** The upload that this resumes had been committed: there is nothing left to do. */
            committed: guards_boolean,
            /** Base64 bitmap over the manifest's files, in order: 1 = send it. */
            missing: string,
            reusedBytes: count,
        }),
    },
    /** Body: the next `files` missing contents in order (sending-order.ts), compressed. */
    fill: {
        params: object({ id: releaseId, files: count, compression }),
        result: object({ bytes: count }),
    },
    /** Makes the upload a release; or answers, once, which reused files were damaged and must be sent too. */
    commit: {
        params: object({
            id: releaseId,
            entry: string,
            staticPath: nullable(string),
            nextVersion: string,
            /** How long ago its build began: the clocks of runner and server may differ. */
            builtMsAgo: count,
            run,
            runtime,
        }),
        /** `leftOut`: shared paths where the release has something that the shared content lacks. */
        result: object({ path: nullable(string), missing: string, leftOut: list(string) }),
    },
    /**
     * For a dry run, like the next operation: changes nothing. Body as of `stage`. Answers which contents the
     * server lacks, and whether its disk is too small (`disk-full`).
     */
    compare: {
        params: object(offered),
        result: object({ missing: string, lack: nullable(failureRecord) }),
    },
    dryRun: {
        params: object({
            /** The target of a rollback; null: a deploy, whose release does not exist yet. */
            release: nullable(releaseId),
            run,
            /** Where the app would listen; null: where the release listens. */
            address: nullable(object({ host: string, port: count })),
            said,
            keep: count,
        }),
        result: object({ findings: list(finding), pruned: list(releaseId) }),
    },
    /** Verifies every file of a release by its hash, and restores what is missing or damaged. */
    integrity: {
        params: object({
            id: releaseId,
            /** False: changes nothing, and answers what could be restored. */
            repair: guards_boolean,
        }),
        result: object({
            files: count,
            bytes: count,
            repaired: list(string),
            /** Paths outside of code that differ from the upload. */
            changed: list(string),
        }),
    },
    /**
     * Boots the release on a spare port and checks its health. Fails with the app's last lines. `notFound` has
     * the lines about missing files in any case.
     *
     * With `testMs` the release stays up after that for as long as a body comes, and for so long at the most: an event says
     * that it is healthy, and data frames both ways are a tunnel to its port (tunnel.ts). What was written into its caches
     * is put back afterwards.
     */
    verify: {
        params: object({
            id: releaseId,
            said,
            testMs: nullable(count),
            /** No rollback: its workers will run on the Node that setup brought last. */
            deploys: guards_boolean,
        }),
        result: verified,
    },
    /**
     * Marks a verified release as staged: a later `promote` may activate it. Fails where a newer release, or one of a later
     * run, has gone live meanwhile.
     */
    markStaged: {
        params: object({ id: releaseId, run }),
        /** The release that serves. */
        result: object({ serving: nullable(releaseId) }),
    },
    /** For previews, before anything is built: what keeps the preview from being deployed, and what is worth knowing. */
    preparePreview: {
        params: object({
            memoryBytes: count,
        }),
        result: object({
            /** Whether it runs as the user that the app belongs to. */
            sharesUser: guards_boolean,
            /** Why the proxy's user cannot connect to the socket, and the commands that change it. */
            unreachable: nullable(object({ user: string, path: string, commands: string })),
        }),
    },
    /** Removes the app's other previews that were not deployed for `ttlMs`, or are more than `limit` with this one. */
    prunePreviews: {
        params: object({ ttlMs: count, limit: nullable(count) }),
        result: object({ removed: list(prunedPreview) }),
    },
    removePreview: {
        params: object({ lockTimeoutMs: count, dryRun: guards_boolean }),
        result: object({
            /** Null where there was none. */
            release: nullable(releaseId),
            found: guards_boolean,
        }),
    },
    /** Undoes a failed deploy: the release no longer counts as verified, and is removed if nothing uses it. */
    discard: { params: object({ id: releaseId, remove: guards_boolean }), result: object({ removed: guards_boolean }) },
    /** Starts an activation, detached from the session. Its journal entries arrive as events. */
    activate: { params: activationRequest, result: verdict },
    /** Watches an activation of an earlier session. `withdraw`, of a cancelled run, ends it `kept` before the swap. */
    watch: { params: object({ activation: activationId, withdraw: guards_boolean }), result: verdict },
    cleanup: {
        params: object({ keep: count, activation: activationId }),
        result: object({
            removed: list(releaseId),
            inUse: list(releaseId),
            kept: list(releaseId),
            /** The holder of the lock, who cleans up afterwards: nothing was done. */
            leftTo: nullable(string),
            /** What the app wrote into releases that no longer serve; reported once for each time that they served. */
            written: list(writtenInRelease),
            /** Versions of Node and PM2 that setup had replaced and nothing ran from, below the home. */
            runtimes: list(string),
        }),
    },
    /** Rows of `check`. Changes nothing. */
    survey: { params: nothing, result: object({ rows: list(surveyRow) }) },
};
const request = object({
    id: count,
    operation: oneOf(...Object.keys(operations)),
    params: (value) => value,
    body: guards_boolean,
});
/** The agent's answers: any number of events, then a result or an error. `alive`: the work goes on. */
const reply = object({
    id: count,
    kind: oneOf('event', 'alive', 'result', 'error'),
    value: (value) => value,
});

;// CONCATENATED MODULE: external "node:crypto"
const external_node_crypto_namespaceObject = require("node:crypto");
;// CONCATENATED MODULE: ./build/agent/system/files.js
/** File operations that survive a power cut: write to a temporary name, flush, rename. */




/** Writes a file completely or not at all. */
async function writeFileAtomic(file, content, mode) {
    await placeAtomic(file, (aside) => withFile(aside, external_node_fs_namespaceObject.constants.O_WRONLY | external_node_fs_namespaceObject.constants.O_CREAT | external_node_fs_namespaceObject.constants.O_EXCL, mode, async (handle) => {
        await handle.chmod(mode);
        await handle.writeFile(content);
        await handle.sync();
    }));
    await syncFolder((0,external_node_path_namespaceObject.dirname)(file));
}
/** @param write creates the temporary file and flushes it */
async function placeAtomic(file, write) {
    const aside = besideOf(file);
    try {
        await write(aside);
        await (0,promises_namespaceObject.rename)(aside, file);
    }
    catch (error) {
        await (0,promises_namespaceObject.rm)(aside, { force: true });
        throw error;
    }
}
/** Flushes a file, so that it survives a power cut. */
async function syncFile(file) {
    await withFile(file, external_node_fs_namespaceObject.constants.O_RDONLY, 0, (handle) => handle.sync());
}
/** Returns false where a file cannot have a second name: another file system, too many links, the kernel's rules. */
function tryLink(source, path) {
    try {
        // Synchronous: it takes less time than a turn of the event loop.
        (0,external_node_fs_namespaceObject.linkSync)(source, path);
        return true;
    }
    catch {
        return false;
    }
}
/** Copies a file's content and modification time, completely or not at all. */
function copyAtomic(source, path, mode) {
    return placeAtomic(path, async (aside) => {
        await copyKeepingTime(source, aside, mode, await (0,promises_namespaceObject.lstat)(source));
        await syncFile(aside);
    });
}
/**
 * Copies a file's content and modification time without flushing. Where the file system can (XFS, btrfs), both
 * files share their blocks until one of them is written.
 */
async function copyKeepingTime(source, path, mode, { mtimeMs }) {
    await (0,promises_namespaceObject.copyFile)(source, path, external_node_fs_namespaceObject.constants.COPYFILE_FICLONE | external_node_fs_namespaceObject.constants.COPYFILE_EXCL);
    await (0,promises_namespaceObject.chmod)(path, mode);
    await (0,promises_namespaceObject.utimes)(path, mtimeMs / 1000, mtimeMs / 1000);
}
const READABLE = 0o755;
/**
 * Creates a folder of a release, with its parents, readable by others whatever the umask is. Synchronous: it
 * takes less time than a turn of the event loop.
 */
function makeReadableFolder(folder) {
    const first = (0,external_node_fs_namespaceObject.mkdirSync)(folder, { recursive: true, mode: READABLE });
    if (first === undefined)
        return;
    for (let made = folder; made.length >= first.length; made = (0,external_node_path_namespaceObject.dirname)(made)) {
        const { mode } = (0,external_node_fs_namespaceObject.statSync)(made);
        // Keeps an inherited group (setgid).
        if ((mode & READABLE) !== READABLE)
            (0,external_node_fs_namespaceObject.chmodSync)(made, (mode & 0o7777) | READABLE);
    }
}
/** Flushes a folder, so that a rename or a new entry in it survives a power cut. */
async function syncFolder(folder) {
    await syncFile(folder);
}
async function withFile(file, flags, mode, use) {
    const handle = await (0,promises_namespaceObject.open)(file, flags, mode);
    try {
        return await use(handle);
    }
    finally {
        await handle.close();
    }
}
/** Returns the file's text, or null where the file does not exist. Throws other errors. */
async function readIfThere(file) {
    return (0,promises_namespaceObject.readFile)(file, 'utf8').catch(whenMissing(null));
}
async function linkTarget(link) {
    return (0,promises_namespaceObject.readlink)(link).catch(whenMissing(null));
}
async function exists(path) {
    return (0,promises_namespaceObject.lstat)(path).then(() => true, whenMissing(false));
}
/** Returns the path itself, or the nearest folder above it that exists. */
function nearestExisting(path) {
    return (0,external_node_fs_namespaceObject.existsSync)(path) ? path : nearestExisting((0,external_node_path_namespaceObject.dirname)(path));
}
function whenMissing(fallback) {
    return (error) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR')
            return fallback;
        throw error;
    };
}
/** Returns a temporary name in the same folder, so that the rename stays on one file system. */
function besideOf(file) {
    return (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(file), `.${(0,external_node_path_namespaceObject.basename)(file)}.${(0,external_node_crypto_namespaceObject.randomBytes)(6).toString('hex')}`);
}

;// CONCATENATED MODULE: ./build/agent/activation/job.js
/** What an activation's process is told to do, and the files that belong to it while it lasts. */





const job = object({
    base: string,
    appName: string,
    pm2Path: string,
    pm2Version: string,
    pm2Home: string,
    request: activationRequest,
});
function activationFiles({ activations }, activation) {
    const file = (ending) => (0,external_node_path_namespaceObject.join)(activations, `${activation}.${ending}`);
    return {
        job: file('json'),
        log: file('log'),
        owner: file('owner'),
        withdrawn: file('withdrawn'),
        hookLog: file('hook'),
        hookOwner: file('hook-owner'),
        // The name that version 0.1 gave it: an activation may be resumed by a newer agent.
        reserve: file('ballast'),
        end: file('end'),
    };
}
/** Null where there is none, or one that a crash cut off. */
async function readJob(file) {
    try {
        return parse(job, (await readIfThere(file)) ?? '', 'job');
    }
    catch {
        return null;
    }
}
/** After the verdict is in the journal the files have done their work. */
async function removeFiles(files) {
    await Promise.all(Object.values(files).map((file) => (0,promises_namespaceObject.rm)(file, { recursive: true, force: true })));
}

;// CONCATENATED MODULE: external "node:timers/promises"
const external_node_timers_promises_namespaceObject = require("node:timers/promises");
;// CONCATENATED MODULE: external "node:os"
const external_node_os_namespaceObject = require("node:os");
;// CONCATENATED MODULE: ./build/common/since-boot.js

/** In ms: a clock that all processes of the machine share, and nobody sets. */
function sinceBoot() {
    return Math.round((0,external_node_os_namespaceObject.uptime)() * 1000);
}

;// CONCATENATED MODULE: ./build/common/process-identity.js


/**
 * Returns the clock ticks from boot to the start of a process: with the pid, its identity. Null if the process
 * has exited or is a zombie. Linux only, as the servers are.
 */
function process_identity_startTimeOf(pid) {
    try {
        // Fields 3 and 22. The name in field 2 may contain spaces and parentheses, so count from its end.
        const stat = (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/stat`, 'utf8');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return fields[0] === 'Z' ? null : (fields[19] ?? null);
    }
    catch {
        return null;
    }
}
/** In hundredths of a second, whatever the kernel's own clock (`USER_HZ`). */
const TICK = 10;
/** Returns how long a process has run, in ms. @param startTime from `startTimeOf` */
function ageOf(startTime) {
    return Math.max(0, sinceBoot() - Number(startTime) * TICK);
}

;// CONCATENATED MODULE: ./build/worker/activation-file.js
/**
 * `<path>/.gapless/activation.json`: the activation under way, as the workers need to know it. The agent writes
 * it; a launcher reads it at its start, and again when it is told to leave, and as long as it stays then.
 */



function activationFile(appDirectory) {
    return (0,external_node_path_namespaceObject.join)(appDirectory, '.gapless', 'activation.json');
}
/** The activation under way, or null. */
function readActivation(appDirectory) {
    const activation = lastActivation(appDirectory);
    return activation !== null && startTimeOf(activation.pid) === activation.startTime ? activation : null;
}
/** The activation under way, or one that was when its process died; null where it has ended. */
function lastActivation(appDirectory) {
    try {
        return JSON.parse((0,external_node_fs_namespaceObject.readFileSync)(activationFile(appDirectory), 'utf8'));
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./build/worker/worker-record.js
/** What a worker says about itself; the agent and the launcher agree on it here. */



const workerRecord = object({
    pid: count,
    /** Tells the process from a later one of the same pid: see process-identity.ts. */
    startTime: string,
    release: string,
    candidate: guards_boolean,
    /** `open` takes traffic; `draining` finishes what is inside; `halted` waits to be stopped. */
    phase: oneOf('booting', 'halted', 'proving', 'open', 'draining'),
    /** Private port on 127.0.0.1 where this process alone answers; 0 until the app listens. */
    port: count,
    /** The public port, once open. */
    doorPort: count,
    /** When it closes its door at the latest, of since-boot.ts; null: nobody has told it to leave. */
    leavesAt: nullable(count),
    /** The last answer to the launcher's own question, or what went wrong. */
    detail: string,
    excerpt: string,
    /** Ports that were taken, in place of which the app got free ones; null from a launcher that does not tell. */
    movedPorts: nullable(list(count)),
    /** Null until it is known, and from a launcher that does not tell. */
    cache: nullable(cacheSharing),
    /** Whether it goes on serving when PM2's daemon dies. */
    outlives: missingAs(false, guards_boolean),
    /** Set when PM2's daemon has died. */
    orphaned: nullable(object({
        /** When, of since-boot.ts. */
        since: count,
        /** The other workers that took traffic then. */
        beside: list(count),
    })),
    /** Null until the first visitor, and from a launcher that does not count. */
    traffic: nullable(traffic),
});

;// CONCATENATED MODULE: ./build/agent/system/processes.js
/** What the kernel knows about processes. Linux only, as the servers are. */



function bootId() {
    return (0,external_node_fs_namespaceObject.readFileSync)('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
function isRunning(pid, startTime) {
    return pid > 0 && process_identity_startTimeOf(pid) === startTime;
}
/** @param pid below 0: the process group of that leader */
function signal(pid, name) {
    try {
        process.kill(pid, name);
    }
    catch {
        // The process has exited.
    }
}
/** How long a killed process may take to exit, in ms. */
const END = 5000;
const LOOK = 5;
/** Sends SIGKILL, and waits until the processes are gone. */
async function kill(targets) {
    const times = targets.map((pid) => process_identity_startTimeOf(pid) ?? '');
    const lives = (pid, index) => isRunning(pid, times[index]);
    for (const pid of targets.filter(lives))
        signal(pid, 'SIGKILL');
    for (let waited = 0; waited < END && targets.some(lives); waited += LOOK)
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(LOOK);
}
function pids() {
    return (0,external_node_fs_namespaceObject.readdirSync)('/proc').map(Number).filter(Number.isInteger);
}
/** In characters. Any user of the machine can write 2 MB there. */
const LONGEST_COMMAND = 4096;
/** Returns the program that a process runs, or null where nobody may tell or it has exited. */
function executableOf(pid) {
    try {
        return (0,external_node_fs_namespaceObject.readlinkSync)(`/proc/${pid}/exe`);
    }
    catch {
        return null;
    }
}
/** Returns the command line as one text, or the title that the process has set; '' where it has exited. */
function commandOf(pid) {
    try {
        const line = (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/cmdline`, 'utf8').slice(0, LONGEST_COMMAND);
        return line.replaceAll('\0', ' ').trim();
    }
    catch {
        return '';
    }
}
function withDescendants(roots) {
    const children = new Map();
    for (const pid of pids()) {
        const { parent } = statusOf(pid);
        children.set(parent, [...(children.get(parent) ?? []), pid]);
    }
    const found = new Set(roots);
    // A Set also yields what is added during the loop.
    for (const pid of found)
        for (const child of children.get(pid) ?? [])
            found.add(child);
    return [...found];
}
/** The living processes of a group. While a group has members, the kernel does not reuse its number. */
function groupLedBy(leader) {
    const now = process_identity_startTimeOf(leader.pid);
    // Signals take -1 for every process, and 0 for the sender's own group.
    if (leader.pid <= 1 || (now !== null && now !== leader.startTime))
        return [];
    return pids().filter((pid) => {
        const startTime = process_identity_startTimeOf(pid);
        return (startTime !== null &&
            Number(startTime) >= Number(leader.startTime) &&
            statusOf(pid).group === leader.pid);
    });
}
/** In bytes; 0 where the process has ended. */
function memoryOf(pid) {
    try {
        return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec((0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    }
    catch {
        return 0;
    }
}
/** Whether SIGSTOP has stopped the process. */
function isStopped(pid) {
    return statusOf(pid).state === 'T';
}
/** Zeros where the process has exited. */
function statusOf(pid) {
    try {
        // The second field, the command's name, may contain anything, parentheses too.
        const [state = '', parent, group] = (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/stat`, 'utf8')
            .split(') ')
            .at(-1)
            .split(' ');
        return { state, parent: Number(parent), group: Number(group) };
    }
    catch {
        return { state: '', parent: 0, group: 0 };
    }
}
/** Returns the working directories of all processes that this user may inspect. */
function workingDirectories() {
    const found = new Map();
    for (const pid of pids()) {
        const directory = workingDirectoryOf(pid);
        if (directory !== null)
            found.set(pid, directory);
    }
    return found;
}
function workingDirectoryOf(pid) {
    try {
        return (0,external_node_fs_namespaceObject.readlinkSync)(`/proc/${pid}/cwd`);
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./build/agent/pm2/workers.js
/** The records of the app's workers, verified against the kernel. */






/** Returns the records of living processes. */
async function readWorkers(directory) {
    const found = await Promise.all((await pidsIn(directory)).map((pid) => readWorker(directory, pid)));
    return found.filter((worker) => worker !== null);
}
/** Removes the records of dead processes. */
async function removeDeadWorkers(directory) {
    const alive = new Set((await readWorkers(directory)).map(({ pid }) => String(pid)));
    for (const name of await (0,promises_namespaceObject.readdir)(directory).catch(() => [])) {
        const pid = /^(\d+)\.(?:json|share|gift)$/.exec(name)?.[1];
        if (pid !== undefined && !alive.has(pid))
            await (0,promises_namespaceObject.rm)((0,external_node_path_namespaceObject.join)(directory, name), { force: true });
    }
}
async function pidsIn(directory) {
    const names = await (0,promises_namespaceObject.readdir)(directory).catch(() => []);
    return names.flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? []).map(Number);
}
function fileOf(directory, pid) {
    return (0,external_node_path_namespaceObject.join)(directory, `${pid}.json`);
}
/** Returns the record of a living process, or null. */
async function readWorker(directory, pid) {
    const text = await readIfThere(fileOf(directory, pid));
    if (text === null)
        return null;
    try {
        const worker = parse(workerRecord, text, 'worker record');
        return isRunning(worker.pid, worker.startTime) ? worker : null;
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./build/agent/pm2/serving.js
/** Which release receives the traffic, by the workers' own records. */


/**
 * Returns null where no worker receives traffic, or where workers of several releases do. During an activation
 * both may: then it returns the previous one. PM2's list does not help here: it omits the workers that it is
 * replacing (`_old_…`, 5.4 to 7), and they serve.
 */
async function servingRelease(layout) {
    const workers = await readWorkers(layout.workers);
    const open = new Set(workers.flatMap(({ candidate, phase, release }) => (!candidate && phase === 'open' ? [release] : [])));
    const trial = lastActivation(layout.base)?.target;
    if (open.size > 1 && trial !== undefined)
        open.delete(trial);
    return open.size === 1 ? [...open][0] : null;
}

;// CONCATENATED MODULE: ./build/protocol/manifest.js
/**
 * The manifest: every entry of a release with its hash, as JSON lines sorted by the bytes of their paths. It is sent in
 * one brotli stream as differences from a release on the server: a folder without differences is one line.
 */


const SHA256 = /^[0-9a-f]{64}$/;
const LAUNCHER = '.gapless/launcher.cjs';
const file = object({ kind: oneOf('file'), path: string, mode: count, size: count, hash: matching(SHA256) });
const manifest_link = object({ kind: oneOf('link'), path: string, target: string });
const directory = object({ kind: oneOf('directory'), path: string });
const kind = object({ kind: oneOf('file', 'link', 'directory') });
const kinds = { file, link: manifest_link, directory };
const anyEntry = (value, place) => kinds[kind(value, place).kind](value, place);
const same = object({ kind: oneOf('same'), path: string });
/** The members of a line in this order: both sides hash the lines. */
const MEMBERS = ['kind', 'path', 'mode', 'size', 'hash', 'target'];
function formatEntry(entry) {
    return `${JSON.stringify(entry, MEMBERS)}\n`;
}
/** What a line is, without parsing it: that takes most of the time where 50,000 lines are read for a few of them. */
function isLinkLine(line) {
    return line.startsWith('{"kind":"link"');
}
/** The hash in a file's line; undefined: it has none. Inside a path the quotes would be escaped. */
function hashInLine(line) {
    const at = line.indexOf(HASH);
    return at < 0 ? undefined : line.slice(at + HASH.length, at + HASH.length + 64);
}
const HASH = '"hash":"';
/** Parses a line of a manifest with differences. @throws Failure `malformed-message` or `unsafe-path` */
function parseDifference(line) {
    if (!line.startsWith('{"kind":"same"'))
        return parseEntry(line);
    const entry = parse(same, line, 'manifest entry');
    // The root: there are no differences.
    if (entry.path !== '')
        assertSafePath(entry.path);
    return entry;
}
/** Parses a line of a manifest that arrives. @throws Failure `malformed-message` or `unsafe-path` */
function parseEntry(line) {
    const entry = parseStored(line);
    if (entry.kind === 'link' && hasInnerUps(entry))
        throw leavesRelease(entry);
    return entry;
}
/** Parses a line of a manifest on the server's disk, from any version. @throws as parseEntry does */
function parseStored(line) {
    const entry = parse(anyEntry, line, 'manifest entry');
    assertSafePath(entry.path);
    if (entry.kind === 'link')
        assertSafeLink(entry);
    return entry;
}
/** Accepts a path inside the release only: relative and normalized, without `..`. */
function assertSafePath(path) {
    const parts = path.split('/');
    if (path === '' ||
        path.includes('\0') ||
        parts.some((part) => part === '' || part === '.' || part === '..')) {
        throw protocol_failure('unsafe-path', { path });
    }
}
/** Accepts a relative link that stays in the release: its target was verified with the release. */
function assertSafeLink(link) {
    const { path, target } = link;
    let depth = path.split('/').length - 1;
    const steps = target.split('/').map((part) => {
        if (part === '..')
            depth -= 1;
        else if (part !== '' && part !== '.')
            depth += 1;
        return depth;
    });
    if (target === '' || target.startsWith('/') || target.includes('\0') || Math.min(...steps) < 0) {
        throw leavesRelease(link);
    }
}
/** After the name of another link, `..` leads up from that link's target. */
function hasInnerUps({ target }) {
    const parts = target.split('/').filter((part) => part !== '' && part !== '.');
    return parts.slice(0, parts.lastIndexOf('..') + 1).some((part) => part !== '..');
}
function leavesRelease({ path, target }) {
    return protocol_failure('unsafe-path: link', { path, target });
}

;// CONCATENATED MODULE: ./build/agent/store/layout.js
/** Where everything is on the server. No other file knows the names. */



function layoutOf(base) {
    const own = (0,external_node_path_namespaceObject.join)(base, '.gapless');
    return {
        base,
        current: (0,external_node_path_namespaceObject.join)(base, 'current'),
        releases: (0,external_node_path_namespaceObject.join)(base, 'releases'),
        shared: (0,external_node_path_namespaceObject.join)(base, 'shared'),
        own,
        incoming: (0,external_node_path_namespaceObject.join)(own, 'incoming'),
        workers: (0,external_node_path_namespaceObject.join)(own, 'workers'),
        candidates: (0,external_node_path_namespaceObject.join)(own, 'candidates'),
        activations: (0,external_node_path_namespaceObject.join)(own, 'activations'),
        lock: (0,external_node_path_namespaceObject.join)(own, 'lock'),
        journal: (0,external_node_path_namespaceObject.join)(own, 'journal.jsonl'),
        replaced: (0,external_node_path_namespaceObject.join)(own, 'replaced.json'),
    };
}
function releaseDirectory(layout, id) {
    return (0,external_node_path_namespaceObject.join)(layout.releases, id);
}
function releaseFiles(directory) {
    const own = (0,external_node_path_namespaceObject.join)(directory, '.gapless');
    return {
        own,
        info: (0,external_node_path_namespaceObject.join)(own, 'release.json'),
        runtime: (0,external_node_path_namespaceObject.join)(own, 'runtime.json'),
        manifest: (0,external_node_path_namespaceObject.join)(own, 'manifest.jsonl'),
        verified: (0,external_node_path_namespaceObject.join)(own, 'verified.json'),
        reported: (0,external_node_path_namespaceObject.join)(own, 'reported.json'),
        staged: (0,external_node_path_namespaceObject.join)(own, 'staged.json'),
        /** While the release is tested: see caches.ts. */
        caches: (0,external_node_path_namespaceObject.join)(own, 'caches'),
        launcher: (0,external_node_path_namespaceObject.join)(directory, LAUNCHER),
    };
}
function filesOf(layout, id) {
    return releaseFiles(releaseDirectory(layout, id));
}
/** Creates the folders that a deploy needs. `.gapless` holds secrets, and only the user may read it. */
function makeFolders(layout) {
    (0,external_node_fs_namespaceObject.mkdirSync)(layout.base, { recursive: true, mode: 0o755 });
    (0,external_node_fs_namespaceObject.mkdirSync)(layout.releases, { recursive: true, mode: 0o755 });
    const { own, incoming, workers, candidates, activations, lock } = layout;
    for (const folder of [own, incoming, workers, candidates, activations, lock]) {
        (0,external_node_fs_namespaceObject.mkdirSync)(folder, { recursive: true, mode: 0o700 });
    }
}

;// CONCATENATED MODULE: ./build/common/errors/server.js
/** The server: its disk, its users, PM2, ports, and the releases on it. */


const FREE = 'Free disk space or inodes on the server, or lower `keep-releases`.';
const DEPLOY_ANOTHER = 'Deploy its commit again, or choose another `release`.';
const ASK_PM2 = 'Check that `pm2 list` answers on the server, then deploy again.';
const server_texts = {
    'disk-full': {
        message: 'The server’s disk is full: {problem}.',
        remedy: `${FREE} ${SEE_CHECK}`,
        cause: 'Too many releases, or logs that are never rotated (`pm2 install pm2-logrotate`).',
    },
    'disk-full: no room': {
        message: 'The release needs {needed} on the server’s disk, and {free} are free.',
        remedy: `${FREE} ${SEE_CHECK}`,
    },
    'path-not-writable': {
        message: 'User "{user}" may not write in "{path}": it belongs to {owner}.',
        remedy: `Run on the server: \`{command}\`. ${SEE_CHECK}`,
    },
    'path-not-writable: no folder': {
        message: 'User "{user}" may not write in "{path}": it is not a folder.',
        remedy: `Move the file away, or set \`path\` to another folder. ${SEE_CHECK}`,
    },
    'path-not-writable: read-only': {
        message: '"{path}" is on a file system that is mounted read-only.',
        remedy: `Mount the file system writable, or set \`path\` to a folder on another one. ${SEE_CHECK}`,
    },
    'path-not-writable: unknown path': {
        message: 'The server refused access: {problem}.',
        remedy: `Give the path in the message to the user that logs in. ${SEE_CHECK}`,
    },
    'path-unsafe': {
        message: '"{path}" is not safe from other users of the server: {reason}.',
        remedy: `Inspect and correct it: \`{command}\`. Or set \`path\` to a folder below the user’s home. ${SEE_CHECK}`,
    },
    'agent-not-kept': {
        message: 'The agent could not be saved in "{folder}".',
        remedy: 'Make the folder writable for the user that logs in, and free disk space.',
    },
    locked: {
        message: 'Another deploy of this app is still running: {holder}.',
        remedy: 'Wait for that deploy to finish, or raise `lock-timeout`.',
        cause: 'Give all workflows that deploy the app [one `concurrency` group](recipes.md#one-deploy-at-a-time). A lock whose process is gone is void and needs no removal.',
    },
    'locked: port': {
        message: 'Another app is being deployed to port {port}.',
        remedy: 'Give each app an `app-port` of its own.',
    },
    withdrawn: {
        message: 'The run was cancelled before anything live was touched.',
        remedy: 'Run the job again if its release is still wanted.',
    },
    'withdrawn: canary': {
        message: 'The run was cancelled or interrupted while "{release}" was a canary.',
        remedy: 'Run the job again if its release is still wanted.',
    },
    'current-not-a-link': {
        message: '"{path}" is not a symbolic link.',
        remedy: `Move it away, or set \`path\` to another folder. ${SEE_CHECK}`,
        cause: 'Another tool deploys to this folder. Gapless leaves what it did not make as it is.',
    },
    'unknown-release': {
        message: 'There is no release "{release}" on the server.',
        remedy: 'Set `release` to one of these: {known}.',
    },
    'unknown-release: not ours': {
        message: '"{path}" is not a release of Gapless.',
        remedy: 'Leave the folder to the tool that made it, or remove it by hand.',
    },
    'release-damaged': {
        message: 'Release "{release}" is damaged: "{path}" {problem}.',
        remedy: DEPLOY_ANOTHER,
        cause: 'Files were edited or removed by hand. A rollback restores from other releases what they still have.',
    },
    'release-damaged: staged': {
        message: 'The staged release "{release}" is damaged: files were modified or removed on the server ({paths}).',
        remedy: 'Stage its commit again.',
    },
    'release-damaged: launcher': {
        message: '"{path}" was modified on the server.',
        remedy: DEPLOY_ANOTHER,
    },
    'release-damaged: every launcher': {
        message: '"{path}" was modified on the server, and no other release has an intact copy.',
        remedy: DEPLOY_ANOTHER,
    },
    'encryption-key-damaged': {
        message: '"{file}" does not hold a key of 32 bytes in base64.',
        remedy: 'Restore the file, or delete it: the next deploy makes a new key.',
        cause: 'With a new key, pages that are open in browsers cannot call their server actions ([Failed to find Server Action](#failed-to-find-server-action)).',
    },
    'shared-path-unusable': {
        message: '`{input}` names "{path}", which is no {kind} in {place}.',
        remedy: 'Name folders in `shared-dirs` and files in `shared-files`.',
    },
    'shared-path-unusable: link': {
        message: 'The shared path "{path}" leads out of the release through a link.',
        remedy: 'Remove the link from the build, or share another path.',
    },
    'symlink-escapes': {
        message: 'The link "{path}" to "{target}" leads out of {folder}.',
        remedy: 'Replace the link with the file or folder that it points at, and deploy again.',
    },
    'pm2-foreign': {
        message: 'The PM2 daemon in "{home}" runs as user {owner}, not as "{user}" ({uid}).',
        remedy: `Log in as the user that PM2 runs as, or give "{user}" a \`PM2_HOME\` of its own. ${SEE_CHECK}`,
        cause: 'PM2 was once started with `sudo`.',
    },
    'pm2-failed': {
        message: 'PM2 refused "{request}": {problem}.',
        remedy: 'Read `~/.pm2/pm2.log` on the server, and check that `pm2 list` answers there.',
        cause: 'A daemon of another version than the installed package: run `pm2 update` at a quiet time.',
    },
    'pm2-failed: refused': {
        message: 'PM2 did not start the workers: {problem}.',
        remedy: 'Read `~/.pm2/pm2.log` on the server, and check that `pm2 list` answers there.',
    },
    'pm2-failed: no answer': { message: 'The PM2 daemon did not answer.', remedy: ASK_PM2 },
    'pm2-failed: no list': {
        message: 'PM2 answered with something other than a list of its processes.',
        remedy: ASK_PM2,
    },
    'pm2-failed: nothing to save': { message: 'PM2 has no process to save.', remedy: ASK_PM2 },
    'pm2-failed: no daemon': { message: 'No running PM2 daemon was found in "{home}".', remedy: ASK_PM2 },
    'pm2-failed: died': { message: 'The PM2 daemon exited in the middle of a request.', remedy: ASK_PM2 },
    'pm2-failed: starting': {
        message: 'Another deploy is still starting the PM2 daemon in "{home}".',
        remedy: ASK_PM2,
    },
    'pm2-failed: second daemon': {
        message: 'Another PM2 daemon (process {daemon}) started at the same time.',
        remedy: 'Deploy again.',
    },
    'pm2-stranded': {
        message: 'The PM2 daemon (process {daemon}) can start no worker: it runs from "{missing}", which was removed.',
        remedy: `Run \`kill -9 {daemon}\` on the server, then deploy again: the workers go on serving, and the deploy starts a new daemon. ${SEE_CHECK}`,
        cause: 'A version manager (nvm, fnm, volta) replaced a version, or PM2 was uninstalled.',
    },
    'pm2-stranded: shared': {
        message: 'The PM2 daemon (process {daemon}) can start no worker: it runs from "{missing}", which was removed.',
        remedy: `Run \`pm2 update\` on the server, which restarts all apps of this user, then deploy again. ${SEE_CHECK}`,
    },
    'pm2-failed: daemon died': {
        message: 'PM2’s daemon died while the new workers started.',
        remedy: 'Deploy again. If it dies again, read `~/.pm2/pm2.log` on the server.',
        cause: 'The server ran out of memory, or somebody ran `pm2 kill` or `pm2 update`.',
    },
    'pm2-failed: stuck': {
        message: 'The PM2 daemon (process {daemon}) runs, but did not answer "{request}" within {limit}.',
        remedy: 'Check whether `pm2 list` answers on the server. If it does not, run `kill -9 {daemon}`, which stops all apps of this user, then `pm2 resurrect`, and deploy again.',
    },
    'app-name-taken': {
        message: 'PM2 runs an app named "{name}", which Gapless deployed from "{folder}".',
        remedy: `Set another \`app-name\` for one of the two apps. If nobody needs the other app, run \`pm2 delete {name}\` on the server. ${SEE_CHECK}`,
        cause: 'Staging and production of one repository on one server: without `app-name` both have the name in package.json.',
    },
    'path-taken': {
        message: 'PM2 runs the app "{other}" from "{path}", and this run is for "{app}".',
        remedy: `Set a \`path\` of its own for each app. If "{other}" is this app under its former name, set \`app-name: {other}\`. ${SEE_CHECK}`,
    },
    'path-taken: not ours': {
        message: 'PM2 runs the app "{other}" from "{path}", which this run would replace.',
        remedy: `Set another \`path\`. If this app is to replace "{other}", set \`app-name: {other}\`. ${SEE_CHECK}`,
    },
    'port-forbidden': {
        message: 'The user that logs in may not listen on port {port}.',
        remedy: `Set \`app-port\` to a port above 1023, behind a reverse proxy. ${SEE_CHECK}`,
    },
    'port-taken': {
        message: '{holder} already listens on "{address}".',
        remedy: `Stop that process, or set another \`app-port\`: \`ss -ltnp "sport = :{port}"\` shows it on the server. ${SEE_CHECK}`,
        cause: 'The app’s log says [EADDRINUSE](#eaddrinuse).',
    },
    'port-taken: daemon': {
        message: 'The PM2 daemon of "{home}" (process {pid}) already listens on "{address}".',
        remedy: `Set another \`app-port\`, or stop the app that this daemon runs there. ${SEE_CHECK}`,
    },
    'port-taken: app': {
        message: 'The app "{name}" in "{folder}" already listens on "{address}".',
        remedy: `Set another \`app-port\` for one of the two apps. If "{name}" is this app under its former name, set \`app-name: {name}\` and its \`path\`. If nobody needs it, run \`pm2 delete {name}\` on the server. ${SEE_CHECK}`,
    },
    'port-taken: no address': {
        message: '"{host}" is not an address of the server.',
        remedy: `Set \`app-host\` to an address that the server has: 127.0.0.1, 0.0.0.0 or ::. ${SEE_CHECK}`,
    },
    'port-taken: other host': {
        message: 'The app serves on "{from}", and cannot open "{to}" beside it.',
        remedy: `Change \`app-port\` together with \`app-host\`, and the proxy in front of the app. ${SEE_CHECK}`,
    },
    'address-differs': {
        message: 'The app listens on {now}, and the release would listen on "{next}".',
        remedy: `To move the app, set \`app-port: {nextPort}\` and point the proxy there. To keep its address, set \`app-port: {port}\` and \`app-host: {host}\`. ${SEE_CHECK}`,
        cause: '`next start` listens on all addresses; Gapless on 127.0.0.1 unless `app-host` is set.',
    },
};
const server_failure = failures(server_texts);

;// CONCATENATED MODULE: ./build/agent/system/access.js
/** Whether this user may write where the agent and PM2 must. The remedy is chosen by the path, not by the errno. */





/** @throws Failure `path-not-writable` when this user may not write in it, or in the folder it would be made in */
function assertWritable(folder) {
    const standing = nearestExisting(folder);
    const { username } = (0,external_node_os_namespaceObject.userInfo)();
    const command = standing === folder ? chown(folder) : `sudo install -d -o ${username} '${folder}'`;
    assertOpen(standing, true, command);
}
/** PM2 writes these in its folder. A command with sudo leaves some of them to root. */
const WRITTEN_BY_PM2 = ['logs', 'pids', 'pm2.log'];
/** @throws Failure `path-not-writable` */
function assertPm2HomeWritable(home) {
    assertWritable(home);
    for (const name of WRITTEN_BY_PM2) {
        const path = (0,external_node_path_namespaceObject.join)(home, name);
        const stat = (0,external_node_fs_namespaceObject.statSync)(path, { throwIfNoEntry: false });
        if (stat !== undefined)
            assertOpen(path, stat.isDirectory(), chown(home));
    }
}
/** Returns the failure behind an EACCES or EPERM. @param path of the system call, where the error has one */
function accessRefused(path, cause) {
    if (path !== undefined) {
        // Creating, renaming or removing a file takes the permission of its folder.
        const folder = nearestExisting((0,external_node_path_namespaceObject.dirname)(path));
        return whyClosed(folder, true, chown(folder), cause) ?? notOurs(path, chown(path), cause);
    }
    return server_failure('path-not-writable: unknown path', { problem: cause.message }, { cause });
}
function assertOpen(path, isFolder, command) {
    const failure = whyClosed(path, isFolder, command);
    if (failure !== null)
        throw failure;
}
function whyClosed(path, isFolder, command, cause) {
    try {
        if (isFolder && !(0,external_node_fs_namespaceObject.statSync)(path).isDirectory())
            return server_failure('path-not-writable: no folder', { user: (0,external_node_os_namespaceObject.userInfo)().username, path }, { cause });
        (0,external_node_fs_namespaceObject.accessSync)(path, isFolder ? external_node_fs_namespaceObject.constants.W_OK | external_node_fs_namespaceObject.constants.X_OK : external_node_fs_namespaceObject.constants.W_OK);
        return null;
    }
    catch (error) {
        const isReadOnly = error.code === 'EROFS';
        return isReadOnly ? readOnly(path, cause) : notOurs(path, command, cause);
    }
}
function notOurs(path, command, cause) {
    const { username: user } = (0,external_node_os_namespaceObject.userInfo)();
    return server_failure('path-not-writable', { user, path, owner: ownerOf(path), command }, { cause });
}
function readOnly(path, cause) {
    return server_failure('path-not-writable: read-only', { path: path ?? 'the app’s folder' }, { cause });
}
function chown(path) {
    return `sudo chown -R ${(0,external_node_os_namespaceObject.userInfo)().username} '${path}'`;
}
function ownerOf(path) {
    const uid = (0,external_node_fs_namespaceObject.statSync)(path, { throwIfNoEntry: false })?.uid;
    if (uid === undefined)
        return 'a user that cannot be seen';
    try {
        const lines = (0,external_node_fs_namespaceObject.readFileSync)('/etc/passwd', 'utf8').split('\n');
        return lines.map((line) => line.split(':')).find(([, , id]) => id === String(uid))?.[0] ?? `user ${uid}`;
    }
    catch {
        return `user ${uid}`;
    }
}

;// CONCATENATED MODULE: ./build/agent/system/system-error.js
/** Errors of system calls as failures with a remedy. */



function isDiskFull(error) {
    const { code } = error;
    return code === 'ENOSPC' || code === 'EDQUOT';
}
/** Returns any error of the agent as a Failure: `disk-full`, `path-not-writable` or `agent-failed`. */
function toFailure(error) {
    const { code, path } = error;
    if (isDiskFull(error))
        return server_failure('disk-full', { problem: error.message }, { cause: error });
    switch (code) {
        case 'EACCES':
        case 'EPERM':
            return accessRefused(path, error);
        case 'EROFS':
            return readOnly(path, error);
        default:
            return Failure.from(error, 'agent-failed');
    }
}

;// CONCATENATED MODULE: ./build/agent/system/reserve.js
/** A reserve of disk space, to restore and record the verdict on a disk that filled up during the activation. */




/** Many small files, because inodes run out as well as blocks: each worker needs one of both for its record. */
const FILES = 64;
/** One block, in bytes. Random, because some file systems compress. */
const FILE_SIZE = 4096;
/** @throws ENOSPC while nothing depends on the reserve yet */
async function takeReserve(folder) {
    await (0,promises_namespaceObject.mkdir)(folder, { recursive: true, mode: 0o700 });
    for (let number = 0; number < FILES; number += 1) {
        await (0,promises_namespaceObject.writeFile)((0,external_node_path_namespaceObject.join)(folder, String(number)), (0,external_node_crypto_namespaceObject.randomBytes)(FILE_SIZE), { mode: 0o600 });
    }
}
async function dropReserve(folder) {
    await (0,promises_namespaceObject.rm)(folder, { recursive: true, force: true });
}
/** Calls `act`. Where the disk is full, releases the reserve and calls it again. */
async function withReserve(folder, act) {
    try {
        return await act();
    }
    catch (error) {
        if (!isDiskFull(error))
            throw error;
        await dropReserve(folder);
        return await act();
    }
}
/** In ms: much shorter than any deadline of a worker. */
const reserve_LOOK = 1000;
/**
 * Releases the reserve as soon as the disk is full, although the activation itself has nothing to write: its workers
 * could not record that they serve. @returns a function that stops the guard
 */
function guardReserve(folder) {
    const probe = `${folder}.probe`;
    const look = async () => {
        try {
            // The file system's own figures do not include quotas.
            await withReserve(folder, () => (0,promises_namespaceObject.writeFile)(probe, 'room', { mode: 0o600 }));
        }
        catch {
            // Still full, or read-only: the next writer reports it.
        }
        finally {
            await (0,promises_namespaceObject.rm)(probe, { force: true }).catch(() => undefined);
        }
    };
    const timer = setInterval(() => void look(), reserve_LOOK);
    return () => clearInterval(timer);
}

;// CONCATENATED MODULE: ./build/agent/system/owner.js
/** Owner files: which process something belongs to, so that leftovers of dead processes can be recognised. */






const owner = object({ pid: count, startTime: string });
/** Interval at which to check whether a process has exited, in ms. */
const PAUSE = 20;
/** How long a process may take to exit before SIGKILL, in ms. */
const PATIENCE = 5000;
/** Writes that something belongs to this process, or to another one. */
function writeOwner(file, pid = process.pid) {
    return writeFileAtomic(file, JSON.stringify({ pid, startTime: process_identity_startTimeOf(pid) ?? '' }), 0o600);
}
/** Returns whether the owner is alive; null where the file does not say. */
function ownerLives(file) {
    const named = readOwner(file);
    return named && isRunning(named.pid, named.startTime);
}
/** Returns how long the owner has run, in ms; null where it has exited. */
function ownerAge(file) {
    const named = readOwner(file);
    return named !== null && isRunning(named.pid, named.startTime) ? ageOf(named.startTime) : null;
}
/** Kills the owner, and its process group where it leads one. */
function killOwnersGroup(file) {
    const named = readOwner(file);
    if (named !== null && isRunning(named.pid, named.startTime))
        signal(-named.pid, 'SIGKILL');
}
/**
 * Waits until the owner has exited, then kills it. A session whose connection was lost exits once it has
 * processed what had arrived. Does not wait for this process, nor for one that hangs in the kernel.
 */
async function endOwner(file) {
    const named = readOwner(file);
    if (named === null || named.pid === process.pid)
        return;
    for (let waited = 0; isRunning(named.pid, named.startTime) && waited < 2 * PATIENCE; waited += PAUSE) {
        if (waited >= PATIENCE)
            signal(named.pid, 'SIGKILL');
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(PAUSE);
    }
}
function readOwner(file) {
    try {
        return parse(owner, (0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8'), 'owner');
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: external "node:child_process"
const external_node_child_process_namespaceObject = require("node:child_process");
;// CONCATENATED MODULE: ./build/common/errors/activation.js
/** Checking a release on the server, bringing it up, and restoring the one before. */

const READ_LOG = 'Read the app’s last log lines in the evidence';
const SHARE_ADDRESS = 'Let the app continue without this listener when its address is in use, or run the listener as a PM2 app of its own.';
const BY_HAND = 'Manual action is needed: run `pm2 list` and `pm2 logs` on the server.';
/**
 * The remedy after the old workers have left: until then they took a share of all requests to the public address, those
 * of the new release to itself included.
 */
const NEEDS_OTHERS = 'Check what the new release requests from its own public address: until then, the previous release answered ' +
    'some of these requests. Then read the last log lines in the evidence.';
/** Follow the message of a failure for which a host that is live already has to go back, and does not. */
const notRestored = {
    none: 'There is no release to restore.',
    failed: 'Restoring {release} failed: {problem}',
};
const activation_texts = {
    'candidate-died': {
        message: 'The new release {ending} before it became healthy.',
        remedy: `${READ_LOG}, then check \`env\` and \`health-check-path\`.`,
        cause: 'A missing variable, an unreachable service, a file that [Next.js does not trace](projects.md#files-read-at-run-time), or a module in `node-options` that Node.js cannot find: name its file, as in `--require ./node_modules/<package>/<file>`.',
    },
    'candidate-died: address in use': {
        message: 'The new release {ending} before it became healthy: it could not listen on "{address}".',
        remedy: SHARE_ADDRESS,
        cause: 'The app, or a process that it starts, opens a fixed address besides `app-port`.',
    },
    'candidate-died: tested': {
        message: 'The new release {ending} while `test-command` ran.',
        remedy: `${READ_LOG}: a request of the test may have ended it.`,
    },
    'candidate-silent': {
        message: 'The new release did not listen on its port within {limit}.',
        remedy: `${READ_LOG}. If the server is only slow, raise \`health-check-timeout\`.`,
    },
    'candidate-silent: address in use': {
        message: 'The new release did not listen on its port within {limit}: it could not listen on "{address}", which is in use.',
        remedy: SHARE_ADDRESS,
    },
    'candidate-unhealthy': {
        message: 'The new release was not healthy within {limit}: {answer}.',
        remedy: `${READ_LOG}, then check \`health-check-path\`, \`health-check-status\` and \`health-check-body\`.`,
        cause: 'The path needs a login, or the app answers only for its own host names (`health-check-host`).',
    },
    'candidate-unhealthy: address in use': {
        message: 'The new release was not healthy within {limit}, and could not listen on "{address}", which is in use: {answer}.',
        remedy: SHARE_ADDRESS,
    },
    'test-failed': {
        message: '`test-command` {ending}.',
        remedy: 'Read its last lines in the evidence, and the rest of its output in the log.',
        cause: 'The command runs under `/bin/sh -e` on the runner, in `working-directory`. It reaches the new release at `BASE_URL`.',
    },
    'test-failed: late': {
        message: '`test-command` did not end within {limit}, and was ended.',
        remedy: 'Read its last lines in the evidence. If the command only needs longer, raise `test-timeout`.',
    },
    'worker-died': {
        message: 'A worker of "{release}" died before it received traffic (PM2 says "{status}").',
        remedy: `${READ_LOG}, then run \`pm2 logs\` on the server.`,
        cause: 'Memory ran out, `max-memory` is too low, or `app-port` is [in use](#eaddrinuse).',
    },
    'worker-died: serving': {
        message: 'A worker of "{release}" died after it began to receive traffic.',
        remedy: `${READ_LOG}, then run \`pm2 logs\` on the server.`,
    },
    'worker-unhealthy': {
        message: '{missing} of {wanted} workers did not serve "{release}" in time: {seen}.',
        remedy: `${READ_LOG}. If the server is only slow, raise \`health-check-timeout\` or lower \`instances\`.`,
    },
    'worker-unhealthy: serving': {
        message: 'Worker {pid} of "{release}" became unhealthy: {answer}.',
        remedy: `${READ_LOG}. If the server is only slow, raise \`health-check-timeout\` or lower \`instances\`.`,
    },
    'worker-died: watched': {
        message: 'A worker of "{release}" restarted or exited while the release was on probation.',
        remedy: `${READ_LOG}, then run \`pm2 logs\` on the server.`,
    },
    'worker-died: canary': {
        message: 'The worker that served "{release}" as a canary restarted or exited.',
        remedy: `${READ_LOG}, then run \`pm2 logs\` on the server.`,
    },
    'traffic-worse': {
        message: '{failed} of {answered} answers of "{release}" failed ({share}), against {failedBefore} of {answeredBefore} ({shareBefore}) of the release before.',
        remedy: 'Look at the paths that failed most in the evidence, then at the app’s last log lines below them.',
        cause: '[What traffic says](how-it-works.md#what-traffic-says) explains the test that compares the two shares.',
    },
    'door-closed': {
        message: 'Nothing answers on "{address}": {problem}.',
        remedy: 'Run `curl -i http://{address}/` on the server, and check `app-host`.',
    },
    'door-closed: socket': {
        message: 'Nothing answers on the socket "{socket}": {problem}.',
        remedy: 'Run `curl -i --unix-socket {socket} http://localhost/` on the server.',
    },
    'hook-failed': {
        message: '`{hook}` failed: {ending}.',
        remedy: 'Read its output in the evidence, then correct the command or `env`.',
        cause: 'The command runs under `/bin/sh -e` in the release’s folder, with the release’s `env`.',
    },
    'restore-failed': {
        message: 'The previous release was not restored: {problem}.',
        remedy: BY_HAND,
        cause: '`current` points at the previous release: `pm2 restart <app>` starts it, with a short gap.',
    },
    'restore-failed: not stopped': {
        message: 'The app could not be stopped: {problem}.',
        remedy: BY_HAND,
    },
    'restore-failed: other app': {
        message: 'The app that PM2 ran before did not start again: {problem}.',
        remedy: BY_HAND,
    },
    overtaken: {
        message: '{run} was overtaken: {newer} has already deployed "{release}".',
        remedy: 'To go back on purpose, use `command: rollback`, or run this job again by hand.',
    },
    'overtaken: replaced': {
        message: '{current} replaced "{replaces}" before the {kind} began.',
        remedy: 'Run the {kind} again if its release should be live.',
    },
    'overtaken: interrupted': {
        message: 'Another deploy went live after this one was interrupted.',
        remedy: 'Run the job again if its release should be live.',
    },
    'overtaken: canary': {
        message: 'Another deploy or rollback began while "{release}" was a canary, and ended that.',
        remedy: 'Run the job again if its release should be live.',
    },
    'unknown-activation': {
        message: 'The activation never started on the server.',
        remedy: 'Deploy again.',
        cause: 'The connection was lost just as the swap was about to begin.',
    },
    'activation-silent': {
        message: 'The activation on the server has made no progress for {limit}.',
        remedy: 'Check the server’s disks. Then end the process that `command: status` names with `kill -9`, and deploy again.',
        cause: '`status` is `down`, because the activation may have swapped already; the app may well be serving.',
    },
    'activation-died': {
        message: 'The activation on the server exited without a verdict.',
        remedy: 'Run `command: status` to see what serves, then deploy again.',
        cause: 'The server runs out of memory, or somebody ended the process.',
    },
    'activation-died: while restoring': {
        message: 'The activation was interrupted while it restored the previous release.',
        remedy: 'Run `command: status` to see what serves, then deploy again.',
    },
    'activation-failed': {
        message: '{problem}.',
        remedy: 'Read the first failed row of the summary, then run `command: status`.',
        cause: 'Rows of the summary have this code: a step of the activation failed on the server.',
    },
};
const activation_failure = failures(activation_texts);

;// CONCATENATED MODULE: ./build/common/format.js
/** Quantities for people. */
/** In ms. */
const UNITS = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
];
function formatDuration(ms) {
    // The limits are where the next unit's text begins, rounded: never "1000 ms", "60.0 s" or "1 min 60 s".
    if (ms < 999.5)
        return `${Math.round(ms)} ms`;
    if (ms < 59_950)
        return `${(ms / 1000).toFixed(1)} s`;
    const seconds = Math.round(ms / 1000);
    return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
/** Formats an age in its largest unit. @param ms negative where two clocks differ */
function formatAge(ms) {
    const [name, length] = UNITS.find(([, size]) => ms >= size) ?? ['', 0];
    return length === 0 ? 'just now' : `${plural(Math.floor(ms / length), name)} ago`;
}
function formatBytes(bytes) {
    const units = ['B', 'KB', 'MB', 'GB'];
    let [value, unit] = [bytes, 0];
    while (value >= 999.95 && unit < units.length - 1)
        [value, unit] = [value / 1000, unit + 1];
    return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
const MOST_LISTED = 5;
/** Lists the first few names. @param count of all names, where not all are given */
function listed(names, count = names.length) {
    const shown = names.slice(0, MOST_LISTED);
    const more = count - shown.length;
    return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
function plural(count, noun) {
    return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
/** Joins the texts that are not empty. */
function joined(texts, between = ' ') {
    return texts.filter((text) => text !== '').join(between);
}
/** Formats a limit in its largest whole unit ("30 minutes"), or in seconds. */
function formatLimit(ms) {
    const [name, length] = UNITS.find(([, size]) => ms >= size && ms % size === 0) ?? ['second', 1000];
    return plural(Math.round((ms / length) * 10) / 10, name);
}
/** For a sentence that goes on. */
function withoutFullStop(text) {
    return text.replace(/\.$/, '');
}

;// CONCATENATED MODULE: ./build/agent/activation/evidence.js
/** The end of the workers' own logs, and of PM2's: the evidence when they fail. */



/** Logs grow without a limit; this much of each one's end is read, in bytes. */
const LONGEST = 64 * 1024;
/**
 * What the workers wrote since `since` (bytes by file). Never throws: a log that cannot be read is no reason to
 * stay with a release that fails.
 */
async function logsSince(processes, since) {
    const files = [...new Set(processes.flatMap(({ errorLog, outLog }) => [outLog, errorLog]))];
    const texts = await Promise.all(files.map((file) => endOf(file, since.get(file) ?? 0).catch(() => '')));
    return texts.filter((text) => text !== '').join('\n');
}
/** The daemon's own log. */
function daemonLog(pm2Home) {
    return (0,external_node_path_namespaceObject.join)(pm2Home, 'pm2.log');
}
/** `2026-11-26T03:00:00: PM2 log: App [shop:0] online`: the daemon's own words, about every app (5.4 to 7). */
const DAEMONS_OWN = /^\S+: PM2 \w+: /;
/**
 * What workers wrote into the daemon's log alone since `since` (bytes by file): why Node itself ended or never began,
 * such as a flag that it does not know, a module that it cannot preload, or a heap that is full. Never throws.
 */
async function daemonLogSince(pm2Home, since) {
    const file = daemonLog(pm2Home);
    const text = await endOf(file, since.get(file) ?? 0).catch(() => '');
    const lines = text.split('\n').filter((line) => !DAEMONS_OWN.test(line));
    return lines.join('\n');
}
async function endOf(file, since) {
    return withFile(file, external_node_fs_namespaceObject.constants.O_RDONLY | external_node_fs_namespaceObject.constants.O_NONBLOCK, 0, async (handle) => {
        const { size } = await handle.stat();
        const from = Math.max(since > size ? 0 : since, size - LONGEST);
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.max(0, size - from)), 0, size - from, from);
        return buffer.subarray(0, bytesRead).toString('utf8');
    });
}
/** The end of a log, as evidence. */
function lastLines(text, limit = 40) {
    return text.trimEnd().split('\n').slice(-limit).join('\n').slice(-8000);
}
/**
 * The lines about missing files. A release can be healthy at its health check's path, and answer 500 on every page that
 * reads the file.
 */
function notFoundIn(text) {
    const lines = text.split('\n').filter((line) => /\bENOENT\b|\bCannot find module\b/.test(line));
    // An app may log the same line for each request.
    return lastLines([...new Set(lines)].join('\n'));
}
/** Those that the workers of `release` wrote since `since`. Workers of other releases share their logs. Never throws. */
async function notFoundSince(processes, since, release) {
    const lines = (await logsSince(processes, since)).split('\n');
    const others = (line) => /\/releases\/\d{14}\//.test(line) && !line.includes(`/releases/${release}/`);
    return notFoundIn(lines.filter((line) => !others(line)).join('\n'));
}

;// CONCATENATED MODULE: ./build/protocol/server-programs.js
/**
 * Where Node and PM2 are on people's servers. An SSH session often lacks the PATH of the user's own shell, so
 * both sides search: the shell line for Node, the agent for PM2.
 */

/** The variable in which the shell line leaves the PATH of the user's login shell for the agent. */
const LOGIN_PATH = 'GAPLESS_LOGIN_PATH';
/** A login shell may wait for something for ever; limit in s. */
const LOGIN_SHELL_TIMEOUT = 5;
/** Below the home: what `setup` brought. */
const RUNTIME = '.gapless/runtime';
/** Setup brings only what is missing: only what `bin-path` names goes before that. */
const runtimeFolder = `${RUNTIME}/bin`;
/** The oldest Node that the agent and the launcher run on. */
const OLDEST_NODE = 18;
/** Major and minor version of the oldest Node that every supported Next.js runs on: what 16 needs. */
const FITTING_NODE = (/* unused pure expression or super */ null && ([20, 9]));
/** Below the home, one folder of programs for each installed version of Node; `*` is the version. */
const versionFolders = [
    '.nvm/versions/node/*/bin',
    '.config/nvm/versions/node/*/bin',
    '.local/share/fnm/node-versions/*/installation/bin',
    '.fnm/node-versions/*/installation/bin',
    '.volta/tools/image/node/*/bin',
    '.asdf/installs/nodejs/*/bin',
    '.local/share/mise/installs/node/*/bin',
    '.nodenv/versions/*/bin',
    '.linuxbrew/opt/node@*/bin',
];
/** The same outside of homes. */
const systemVersionFolders = [
    '/usr/local/nvm/versions/node/*/bin',
    '/opt/nvm/versions/node/*/bin',
    '/home/linuxbrew/.linuxbrew/opt/node@*/bin',
    '/usr/local/lib/nodejs/*/bin',
    '/opt/node-*/bin',
    '/opt/nodejs/*/bin',
    // aaPanel, Plesk, cPanel, CloudLinux
    '/www/server/nodejs/*/bin',
    '/opt/plesk/node/*/bin',
    '/opt/cpanel/ea-nodejs*/bin',
    '/opt/alt/alt-nodejs*/root/usr/bin',
];
/** Below the home, single folders of programs: of version managers, npm's prefix, package managers. */
const homeFolders = [
    '.local/share/fnm/aliases/default/bin',
    '.volta/bin',
    '.asdf/shims',
    '.local/share/mise/shims',
    'n/bin',
    '.n/bin',
    '.npm-global/bin',
    '.npm-packages/bin',
    '.local/bin',
    'bin',
    '.local/share/pnpm',
    '.yarn/bin',
    '.bun/bin',
    '.linuxbrew/bin',
    '.nodebrew/current/bin',
    '.nix-profile/bin',
];
/** Below the home, where version managers put PM2 apart from Node. */
const pm2Folders = [
    '.volta/tools/image/packages/pm2/bin',
    '.local/share/mise/installs/npm-pm2/*/bin',
    '.asdf/installs/nodejs/*/.npm/bin',
];
const systemFolders = [
    '/usr/local/bin',
    '/usr/bin',
    '/opt/node/bin',
    '/opt/homebrew/bin',
    '/home/linuxbrew/.linuxbrew/bin',
    '/snap/bin',
    '/snap/node/current/bin',
    '/nix/var/nix/profiles/default/bin',
    '/run/current-system/sw/bin',
];
/** @param searched every file that was looked for, with what was wrong with existing ones */
function nodeMissing(searched) {
    return failure('node-missing', {}, { evidence: ['searched:', ...searched].join('\n') });
}
/** @param searched every folder that was searched @param node the Node that runs the agent */
function pm2Missing(searched, node) {
    return protocol_failure('pm2-missing', { nodeFolder: node.replace(/\/[^/]*$/, '') }, { evidence: ['searched:', ...searched].join('\n') });
}

;// CONCATENATED MODULE: ./build/agent/system/runtime.js
/** What `setup` brought: Node and PM2 below the user's home, one folder for each version, and a link to the newest. */







/** Something younger than this may be about to get its link, in ms. */
const JUST_BROUGHT = 60_000;
/** Limit for a Node that says its version, in ms. */
const runtime_PATIENCE = 10_000;
/** The Node that setup brought last; null: it brought none. */
function broughtNode(home = (0,external_node_os_namespaceObject.homedir)()) {
    return realPath((0,external_node_path_namespaceObject.join)(home, runtimeFolder, 'node'));
}
/** Whether setup brought this program, now or earlier. */
function isBrought(program, home = (0,external_node_os_namespaceObject.homedir)()) {
    return isBelow(program, realPath((0,external_node_path_namespaceObject.join)(home, RUNTIME)));
}
/** Null where it does not run. */
function versionOfNode(node) {
    const args = ['-p', 'process.versions.node + " " + process.versions.modules'];
    const { stdout, status } = (0,external_node_child_process_namespaceObject.spawnSync)(node, args, {
        encoding: 'utf8',
        timeout: runtime_PATIENCE,
        env: {},
        stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [version = '', abi = ''] = (stdout ?? '').trim().split(' ');
    return status === 0 && abi !== '' ? { version, abi } : null;
}
/**
 * Removes the versions that setup has replaced, once nothing runs from them. @returns what was removed, below the home
 * @param used files that are needed, whatever the processes say
 */
async function removeOldRuntimes(used, home = (0,external_node_os_namespaceObject.homedir)(), youngMs = JUST_BROUGHT) {
    const removed = [];
    const running = pids().flatMap((pid) => [executableOf(pid) ?? '', commandOf(pid)]);
    for (const name of ['node', 'pm2']) {
        const folder = (0,external_node_path_namespaceObject.join)(home, RUNTIME, name);
        const newest = realPath((0,external_node_path_namespaceObject.join)(home, runtimeFolder, name));
        // Without a newest one nothing tells which are old.
        if (newest === null)
            continue;
        for (const version of await (0,promises_namespaceObject.readdir)(folder).catch(() => [])) {
            const path = (0,external_node_path_namespaceObject.join)(folder, version);
            const real = realPath(path);
            const isUsed = [newest, ...used].some((file) => isBelow(file, real) || isBelow(file, path));
            if (isUsed || running.some((text) => [real ?? path, path].some((part) => text.includes(part + external_node_path_namespaceObject.sep))))
                continue;
            // The files in it have the times of their package.
            const made = await (0,promises_namespaceObject.lstat)(path).then(({ ctimeMs }) => ctimeMs);
            if (Date.now() - made < youngMs)
                continue;
            await (0,promises_namespaceObject.rm)(path, { recursive: true, force: true });
            removed.push(`${RUNTIME}/${name}/${version}`);
        }
    }
    return removed;
}
function isBelow(file, folder) {
    return folder !== null && file.startsWith(folder + external_node_path_namespaceObject.sep);
}
function realPath(path) {
    try {
        return (0,external_node_fs_namespaceObject.realpathSync)(path);
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./build/agent/system/environment.js
/**
 * The environment of the processes that the agent starts: the user's own few variables, none of the SSH
 * session's. A PM2 daemon keeps the environment it was started with for ever, and so do its workers.
 */




const DEFAULT_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
/** @param node that the processes run on */
function cleanEnvironment(node = process.execPath) {
    const { username } = (0,external_node_os_namespaceObject.userInfo)();
    const kept = ['LANG', 'TZ', 'SHELL', 'TMPDIR', 'XDG_RUNTIME_DIR', 'PM2_HOME', 'NODE_EXTRA_CA_CERTS'];
    return {
        HOME: (0,external_node_os_namespaceObject.homedir)(),
        USER: username,
        LOGNAME: username,
        PATH: searchPath(node).join(external_node_path_namespaceObject.delimiter),
        ...Object.fromEntries(kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))),
    };
}
/**
 * Returns the session's PATH with a Node first: PM2's own scripts need `node` on it. The versions that setup brings come
 * and go, and PM2 keeps the PATH: their link stays.
 */
function searchPath(node = process.execPath) {
    const own = isBrought(node) ? (0,external_node_path_namespaceObject.join)((0,external_node_os_namespaceObject.homedir)(), runtimeFolder) : (0,external_node_path_namespaceObject.dirname)(node);
    const inherited = (process.env['PATH'] ?? '').split(external_node_path_namespaceObject.delimiter).filter((part) => part.startsWith('/'));
    return [...new Set([own, ...inherited, ...DEFAULT_PATH])];
}
/** A folder that the user named, where `~` is the home. */
function expandHome(folder) {
    return folder.replace(/^~(?=\/|$)/, (0,external_node_os_namespaceObject.homedir)());
}

;// CONCATENATED MODULE: ./build/agent/system/lock.js
/**
 * One activation per app at a time.
 *
 * A lock is a numbered file in `.gapless/lock`; the highest number holds. The file names its holder by pid,
 * start time and boot, so a lock whose process is gone is void, and nobody ever removes a lock by hand. To take
 * over, a process creates the next number, which only one process can do; no process removes or replaces a lock
 * that is held.
 */








const holderGuard = object({
    pid: count,
    startTime: string,
    bootId: string,
    /** The holder in words: the run's URL or "an activation". */
    owner: string,
    activation: nullable(string),
    since: string,
});
const POLL = 200;
/** Waits up to `timeoutMs` for its holder. @throws Failure `locked`, or `withdrawn` if `giveUp` said so */
async function takeLock(directory, owner, timeoutMs, { activation, onWait, giveUp } = {}) {
    const deadline = performance.now() + timeoutMs;
    let told = '';
    for (;;) {
        const taken = await tryLock(directory, owner, activation ?? null);
        if ('release' in taken)
            return taken;
        if (taken.words !== told)
            onWait?.(taken.words);
        told = taken.words;
        const itself = activation !== undefined && taken.activation === activation;
        if (!itself && (await giveUp?.()))
            throw withdrawn();
        if (!itself && performance.now() >= deadline)
            throw server_failure('locked', { holder: taken.words });
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(POLL);
    }
}
/** Creates the lock's folder where it is missing, and takes the lock. @throws as takeLock does */
async function lockFolder(directory, owner, timeoutMs, waiting) {
    await (0,promises_namespaceObject.mkdir)(directory, { recursive: true, mode: 0o700 });
    return takeLock(directory, owner, timeoutMs, waiting);
}
/** The run was cancelled before it had started anything that cannot be undone. */
function withdrawn() {
    return server_failure('withdrawn');
}
async function lockHolder(directory) {
    return (await currentHolder(directory))?.words ?? null;
}
/** Returns the activation that another process holds the lock for, or null. */
async function lockedFor(directory) {
    const holder = await currentHolder(directory);
    return holder === null || holder.pid === process.pid ? null : holder.activation;
}
const beginner = { pid: 0, words: 'a deploy that has just begun', activation: null };
async function tryLock(directory, owner, activation) {
    const highest = (await lockNumbers(directory)).at(-1) ?? 0;
    const holder = highest > 0 ? await holderOf(directory, highest) : null;
    if (holder !== null)
        return holder;
    const mine = highest + 1;
    const content = JSON.stringify({
        pid: process.pid,
        startTime: process_identity_startTimeOf(process.pid) ?? '',
        bootId: bootId(),
        owner,
        activation,
        since: new Date().toISOString(),
    });
    if (!(await createNumber(directory, mine, content)))
        return beginner;
    // A process that listed the folder before an older lock was removed may have taken a number below the
    // highest: only the highest counts.
    const numbers = await lockNumbers(directory);
    if (numbers.at(-1) !== mine) {
        await (0,promises_namespaceObject.rm)((0,external_node_path_namespaceObject.join)(directory, `${mine}.json`), { force: true });
        return beginner;
    }
    for (const old of numbers)
        if (old < mine)
            await (0,promises_namespaceObject.rm)((0,external_node_path_namespaceObject.join)(directory, `${old}.json`), { force: true });
    // Emptying needs no space on a full disk. A removed lock could be mistaken for one that never existed.
    return { release: () => (0,promises_namespaceObject.truncate)((0,external_node_path_namespaceObject.join)(directory, `${mine}.json`)) };
}
/** Creates the file completely, and only if it does not exist. */
async function createNumber(directory, number, content) {
    const aside = (0,external_node_path_namespaceObject.join)(directory, `.${process.pid}-${number}`);
    await (0,promises_namespaceObject.writeFile)(aside, content, { mode: 0o600 });
    try {
        await (0,promises_namespaceObject.link)(aside, (0,external_node_path_namespaceObject.join)(directory, `${number}.json`));
        return true;
    }
    catch (error) {
        if (error.code === 'EEXIST')
            return false;
        throw error;
    }
    finally {
        await (0,promises_namespaceObject.rm)(aside, { force: true });
    }
}
async function lockNumbers(directory) {
    const names = await (0,promises_namespaceObject.readdir)(directory).catch(() => []);
    return names
        .flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? [])
        .map(Number)
        .sort((a, b) => a - b);
}
async function currentHolder(directory) {
    const highest = (await lockNumbers(directory)).at(-1);
    return highest === undefined ? null : holderOf(directory, highest);
}
/** Returns the living holder, or null if the lock is released, void or gone. */
async function holderOf(directory, number) {
    const text = await readIfThere((0,external_node_path_namespaceObject.join)(directory, `${number}.json`));
    if (text === null)
        return null;
    const holder = readHolder(text);
    if (holder === null)
        return null;
    const { pid, startTime, owner, since, activation } = holder;
    if (holder.bootId !== bootId() || !isRunning(pid, startTime))
        return null;
    return { pid, words: `${owner}, since ${since} (process ${pid})`, activation };
}
/** Null where the lock is released, or a power cut lost its content: a lock is created whole, so its holder is gone. */
function readHolder(text) {
    try {
        return parse(holderGuard, text, 'lock');
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./build/agent/activation/hooks.js
/** `pre-activate` and `post-activate`: the user's own commands, the only ones that a shell interprets. */












const HOOK_OWNER = '.hook-owner';
/** A migration may take long; one that waits for an answer that never comes must not hold the lock for ever, in ms. */
const LONGEST_HOOK = 30 * 60_000;
/**
 * Runs commands in the release's folder with the release's environment, until the shell has ended: what it
 * started in the background goes on.
 * @returns their output's last lines
 * @throws Failure `hook-failed`
 */
async function runHook(hook, timeoutMs = LONGEST_HOOK) {
    const { name, commands, directory, runtime, log, owner } = hook;
    const script = `${log}.sh`;
    const output = (0,external_node_fs_namespaceObject.openSync)(log, 'w', 0o600);
    try {
        // A file, because every user of the server can read command lines, and what a workflow puts in may be secret.
        await writeFileAtomic(script, `${commands}\n`, 0o600);
        // It begins when it is told to, and whoever told it has written down which process it is.
        const child = (0,external_node_child_process_namespaceObject.spawn)('/bin/sh', ['-c', 'read -r go && exec /bin/sh -e "$0" </dev/null', script], {
            cwd: directory,
            env: { ...cleanEnvironment(), NODE_ENV: 'production', ...runtime.env },
            stdio: ['pipe', output, output],
            // A group of its own, so that one that takes too long can be ended as a whole.
            detached: true,
        });
        const ending = end(child, timeoutMs);
        await begin(child, owner);
        const ended = await ending;
        const text = lastLines(await (0,promises_namespaceObject.readFile)(log, 'utf8'));
        if (ended === 'exit code 0')
            return text;
        throw activation_failure('hook-failed', { hook: name, ending: ended }, { evidence: text });
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(output);
        await Promise.all([log, script, owner].map((file) => (0,promises_namespaceObject.rm)(file, { force: true })));
    }
}
async function begin({ pid, stdin }, owner) {
    // It may have ended already: then that is what there is to tell.
    stdin?.on('error', () => undefined);
    if (pid === undefined)
        return;
    try {
        await writeOwner(owner, pid);
        stdin?.end('go\n');
    }
    catch (error) {
        stdin?.end();
        throw error;
    }
}
const hooks_POLL = 100;
/**
 * A hook outlives an activation that was killed, and the lock is void then: a migration must have ended before it is
 * run again, and before another activation goes on. For the holder of the lock.
 * @param onWait called with each activation whose hook is waited for
 * @param giveUp asked while it waits
 * @throws Failure `withdrawn` if it gave up
 */
async function untilHooksEnded({ activations }, { onWait, giveUp }, timeoutMs = LONGEST_HOOK) {
    const names = (await (0,promises_namespaceObject.readdir)(activations).catch(() => [])).filter((name) => name.endsWith(HOOK_OWNER));
    for (const name of names) {
        const file = (0,external_node_path_namespaceObject.join)(activations, name);
        if (ownerAge(file) === null)
            continue;
        onWait(name.slice(0, -HOOK_OWNER.length));
        // What it may take is counted from its beginning, as if the activation that it belongs to lived.
        for (let age = ownerAge(file); age !== null; age = ownerAge(file)) {
            if (await giveUp())
                throw withdrawn();
            if (age >= timeoutMs)
                killOwnersGroup(file);
            await (0,external_node_timers_promises_namespaceObject.setTimeout)(hooks_POLL);
        }
    }
}
function end(child, timeoutMs) {
    return new Promise((resolve) => {
        const timer = setTimeout(() => {
            resolve(`it did not end within ${formatDuration(timeoutMs)}`);
            if (child.pid !== undefined)
                process.kill(-child.pid, 'SIGKILL');
        }, timeoutMs);
        const settle = (how) => {
            clearTimeout(timer);
            resolve(how);
        };
        child.once('error', ({ message }) => settle(`could not be started: ${message}`));
        child.once('exit', (code, signal) => settle(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
}

;// CONCATENATED MODULE: ./build/agent/activation/journal.js
/** The journal: what activations did, one JSON line each, appended and flushed. */






const none = { before: null, cause: null, probation: null, canary: null };
/**
 * @param withReserve carries out each write, and may make room where there is none
 */
function openJournal(file, activation, withReserve = (act) => act()) {
    const flags = external_node_fs_namespaceObject.constants.O_WRONLY | external_node_fs_namespaceObject.constants.O_CREAT | external_node_fs_namespaceObject.constants.O_APPEND;
    return journalOf((line) => withReserve(() => withFile(file, flags, 0o600, async (handle) => {
        const entry = { time: new Date().toISOString(), activation, ...line };
        // A line of its own, even after one that a crash cut off.
        await handle.writeFile(`\n${JSON.stringify(entry)}\n`);
        await handle.sync();
    })));
}
/** @param write settles when the line is on the disk */
function journalOf(write) {
    let strict = true;
    const step = (state) => (name, detail, facts = none) => write({ step: name, state, detail, verdict: null, ...none, ...facts }).catch((error) => {
        if (strict && state !== 'note')
            throw error;
        console.error(`${name} ${state}: ${detail} (not in the journal: ${error.message})`);
    });
    return {
        begin: step('begin'),
        note: step('note'),
        done: step('done'),
        failed: step('failed'),
        verdict: (verdict) => write({ step: null, state: 'verdict', detail: verdict.status, verdict, ...none }),
        bestEffort: () => void (strict = false),
    };
}
/** The last `limit` entries, or all. A line that was cut off by a crash is passed over. */
async function readJournal(file, limit = Infinity) {
    const text = await (0,promises_namespaceObject.readFile)(file, 'utf8').catch(() => '');
    return text.split('\n').flatMap(parseLine).slice(-limit);
}
/** Above this many bytes (some 200 deploys) the journal loses its older half. */
const LONG = 1024 * 1024;
/**
 * Keeps the journal from growing for ever. For the holder of the lock: nobody else then writes more than that it waits
 * for the lock, and a line that is lost with the old file tells nothing that recovery needs.
 */
async function trimJournal(file) {
    const bytes = await (0,promises_namespaceObject.readFile)(file).catch(() => Buffer.alloc(0));
    if (bytes.length <= LONG)
        return;
    const half = bytes.subarray(bytes.indexOf('\n', bytes.length - LONG / 2) + 1);
    await writeFileAtomic(file, half, 0o600);
}
const journal_POLL = 50;
/**
 * Follows one activation's entries as they are written, until `ended` says that its process is gone and
 * everything that it wrote has been read.
 * @param from where to begin, in bytes
 */
async function* followJournal(file, from, activation, ended) {
    const openFile = () => (0,promises_namespaceObject.open)(file, external_node_fs_namespaceObject.constants.O_RDONLY | external_node_fs_namespaceObject.constants.O_CREAT, 0o600);
    let handle = await openFile();
    const chunk = Buffer.alloc(64 * 1024);
    let rest = Buffer.alloc(0);
    let last = false;
    let position = from;
    try {
        for (;;) {
            const { bytesRead } = await handle.read(chunk, 0, chunk.length, position);
            position += bytesRead;
            if (bytesRead === 0) {
                if (await wasReplaced(file, handle, position)) {
                    await handle.close();
                    handle = await openFile();
                    position = 0;
                    rest = Buffer.alloc(0);
                    continue;
                }
                if (last)
                    return;
                // Read once more after the end: the last line may have been written in between.
                if (ended())
                    last = true;
                else
                    await (0,external_node_timers_promises_namespaceObject.setTimeout)(journal_POLL);
                continue;
            }
            rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
            for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
                const line = rest.subarray(0, end).toString('utf8');
                rest = rest.subarray(end + 1);
                for (const entry of parseLine(line)) {
                    if (entry.activation === activation)
                        yield { entry, end: position - rest.length };
                }
            }
        }
    }
    finally {
        await handle.close();
    }
}
/** Somebody emptied the journal by hand, or put another file in its place: what comes next is in the new one. */
async function wasReplaced(file, handle, position) {
    const [opened, there] = await Promise.all([handle.stat(), (0,promises_namespaceObject.stat)(file).catch(() => null)]);
    return there !== null && (there.ino !== opened.ino || opened.size < position);
}
function parseLine(line) {
    try {
        return [parse(journalEntry, line, 'journal')];
    }
    catch {
        return [];
    }
}

;// CONCATENATED MODULE: ./build/agent/store/manifest-lines.js
/** Splits text into lines at line feeds alone: file names may contain other line separators. */

/** Far more than the longest path needs, in bytes. */
const manifest_lines_LONGEST = 256 * 1024;
async function* readLines(source) {
    let begun = Buffer.alloc(0);
    for await (const chunk of source) {
        const bytes = begun.length === 0 ? chunk : Buffer.concat([begun, chunk]);
        let from = 0;
        for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
            if (end > from)
                yield bytes.toString('utf8', from, end);
            from = end + 1;
        }
        begun = bytes.subarray(from);
        if (begun.length > manifest_lines_LONGEST)
            throw malformed('a line of the manifest has no end');
    }
    if (begun.length > 0)
        yield begun.toString('utf8');
}

;// CONCATENATED MODULE: ./build/agent/store/manifest-file.js
/** A release's manifest on disk, one entry a line. */




/**
 * @param wants whether the entry of a line is of use; links always are
 * @throws Failure `malformed-message`, or `unsafe-path`, also for an entry below a link, which would be elsewhere
 */
async function* readManifest(file, wants = () => true) {
    const input = (0,external_node_fs_namespaceObject.createReadStream)(file);
    const links = new Set();
    try {
        for await (const line of readLines(input)) {
            if (!isLinkLine(line) && !wants(line))
                continue;
            const entry = parseStored(line);
            assertNotBelow(links, entry.path);
            if (entry.kind === 'link')
                links.add(entry.path);
            yield entry;
        }
    }
    finally {
        input.destroy();
    }
}
function assertNotBelow(links, path) {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
        if (!links.has(path.slice(0, end)))
            continue;
        throw protocol_failure('unsafe-path: below link', { path });
    }
}

;// CONCATENATED MODULE: ./build/agent/store/releases.js
/** The releases on the server: which exist, which is current, what each is. */









/** Returns the ids of the releases, oldest first. `releases` only ever holds complete releases. */
async function releaseIds(layout) {
    const names = await (0,promises_namespaceObject.readdir)(layout.releases).catch(() => []);
    const ours = await Promise.all(names.map((name) => isRelease(layout, name)));
    return names.filter((_, index) => ours[index]).sort();
}
/** The newest id in use, whoever made the folder; null: there is none. */
async function newestId(layout) {
    const folders = [layout.releases, layout.incoming];
    const names = await Promise.all(folders.map((folder) => (0,promises_namespaceObject.readdir)(folder).catch(() => [])));
    // An interrupted upload has a suffix.
    const ids = names.flat().flatMap((name) => /^\d{14}(?=\.|$)/.exec(name) ?? []);
    return ids.sort().at(-1) ?? null;
}
/** By its metadata: Capistrano, Shipit and Ansistrano name their releases by the second, too. */
async function isRelease(layout, id) {
    return RELEASE_ID.test(id) && exists(filesOf(layout, id).info);
}
/** Returns the release that `current` points at, or null. @throws Failure `current-not-a-link` */
async function liveRelease(layout) {
    const stat = await (0,promises_namespaceObject.lstat)(layout.current).catch(() => null);
    if (stat !== null && !stat.isSymbolicLink())
        throw server_failure('current-not-a-link', { path: layout.current });
    const [target, releases] = await Promise.all([layout.current, layout.releases].map(releases_realPath));
    if (!target || (0,external_node_path_namespaceObject.dirname)(target) !== releases)
        return null;
    const id = (0,external_node_path_namespaceObject.basename)(target);
    return (await isRelease(layout, id)) ? id : null;
}
/** Returns the target of `current` as the link has it, if it exists and is no release of this app; else null. */
async function foreignCurrent(layout) {
    const isForeign = (await liveRelease(layout)) === null && (await releases_realPath(layout.current)) !== null;
    return isForeign ? linkTarget(layout.current) : null;
}
function releases_realPath(path) {
    return (0,promises_namespaceObject.realpath)(path).catch(() => null);
}
/** Creates the link for `pointCurrentAt` beforehand: the swap then needs no disk space, only a rename. */
async function prepareLink(layout, id) {
    // Relative, so that the app's folder can be moved as a whole.
    const target = (0,external_node_path_namespaceObject.join)('releases', id);
    const link = preparedLink(layout, id);
    if ((await linkTarget(link).catch(() => null)) === target)
        return;
    await (0,promises_namespaceObject.rm)(link, { recursive: true, force: true });
    await (0,promises_namespaceObject.symlink)(target, link);
}
/** Points `current` at a release in one atomic step: `current` always exists. */
async function pointCurrentAt(layout, id) {
    await liveRelease(layout);
    await prepareLink(layout, id);
    await renameToCurrent(layout, preparedLink(layout, id));
}
/** Restores the earlier target of `current`. @param target as the link had it */
async function pointCurrentBack(layout, target) {
    const link = preparedLink(layout, 'before');
    await (0,promises_namespaceObject.rm)(link, { recursive: true, force: true });
    await (0,promises_namespaceObject.symlink)(target, link);
    await renameToCurrent(layout, link);
}
async function renameToCurrent(layout, link) {
    await (0,promises_namespaceObject.rename)(link, layout.current);
    await syncFolder(layout.base);
}
async function dropPreparedLinks(layout) {
    for (const name of await (0,promises_namespaceObject.readdir)(layout.own)) {
        if (name.startsWith(PREPARED))
            await (0,promises_namespaceObject.rm)((0,external_node_path_namespaceObject.join)(layout.own, name), { force: true });
    }
}
const PREPARED = 'current-to-';
function preparedLink(layout, id) {
    return (0,external_node_path_namespaceObject.join)(layout.own, PREPARED + id);
}
function readInfo(layout, id) {
    return readOwn(id, filesOf(layout, id).info, releaseInfo);
}
function readRuntime(layout, id) {
    return readOwn(id, filesOf(layout, id).runtime, runtime);
}
async function readOwn(id, file, guard) {
    const text = await readIfThere(file);
    if (text === null)
        throw server_failure('release-damaged', { release: id, path: file, problem: 'is missing' });
    return parse(guard, text, file);
}
/** Returns what was recorded about the release since it served, or null if it never did. */
async function verificationOf(layout, id) {
    const text = await readIfThere(filesOf(layout, id).verified);
    if (text === null)
        return null;
    const found = parse(verification, text, 'verified.json');
    // Version 0.1 kept when a release served last, and nothing of rollbacks: then ids alone tell which came first.
    return found.kind === null ? { ...found, activatedAt: releaseTime(id).toISOString() } : found;
}
/** Returns when the release first served, as an ISO time, or null if it never did. */
async function activatedAt(layout, id) {
    return (await verificationOf(layout, id))?.activatedAt ?? null;
}
/** Removes the records that a release served or is staged, because it was rejected afterwards. */
async function markRejected(layout, id) {
    const { verified, staged } = filesOf(layout, id);
    for (const file of [staged, verified])
        await (0,promises_namespaceObject.rm)(file, { force: true });
}
async function markStaged(layout, id) {
    const { staged } = filesOf(layout, id);
    await writeFileAtomic(staged, JSON.stringify({ stagedAt: new Date().toISOString() }), 0o644);
}
/** Once a newer release is live, the mark counts no more. */
async function isStaged(layout, id, live) {
    return (live === null || id > live) && exists(filesOf(layout, id).staged);
}
async function listReleases(layout) {
    const live = await liveRelease(layout);
    const ids = await releaseIds(layout);
    return Promise.all(ids.map(async (id) => {
        const verified = await verificationOf(layout, id).catch(() => null);
        return {
            id,
            live: id === live,
            activatedAt: verified?.activatedAt ?? null,
            left: (verified?.leftBy ?? null) !== null,
            staged: verified === null && (await isStaged(layout, id, live)),
            info: await readInfo(layout, id).catch(() => null),
            bytes: await contentBytes(layout, id),
        };
    }));
}
async function contentBytes(layout, id) {
    let bytes = 0;
    try {
        for await (const entry of readManifest(filesOf(layout, id).manifest)) {
            if (entry.kind === 'file')
                bytes += entry.size;
        }
    }
    catch {
        // A damaged release has no size; the integrity check names the damage.
    }
    return bytes;
}
/**
 * Moves a release out of `releases` in one step, then deletes it, so that no incomplete one is ever there.
 * @throws Failure `unknown-release`
 */
async function removeRelease(layout, id) {
    if (!(await isRelease(layout, id))) {
        throw server_failure('unknown-release: not ours', { path: releaseDirectory(layout, id) });
    }
    const grave = (0,external_node_path_namespaceObject.join)(layout.incoming, `${id}.removed`);
    await (0,promises_namespaceObject.rm)(grave, { recursive: true, force: true });
    await (0,promises_namespaceObject.mkdir)(layout.incoming, { recursive: true, mode: 0o700 });
    await (0,promises_namespaceObject.rename)(releaseDirectory(layout, id), grave);
    await (0,promises_namespaceObject.rm)(grave, { recursive: true, force: true });
}

;// CONCATENATED MODULE: ./build/agent/activation/state.js
/** Where an activation stands and what comes next, decided from its journal and what is seen. Pure. */


/** What `stateOf` makes of an activation in the journal; `lost`: its swap is not in there, and did happen. */
function stateOf(log, activation, lost) {
    const own = log.filter((entry) => entry.activation === activation);
    const verdict = own.find((entry) => entry.verdict !== null)?.verdict;
    if (verdict !== undefined && verdict !== null)
        return { at: 'settled', verdict, known: true };
    const before = own.find((entry) => entry.before !== null)?.before ?? null;
    const restoring = own.find((entry) => isBegin(entry, 'rollback'));
    if (!own.some(touches))
        return lost ? { at: 'swapped', before } : { at: 'prepared' };
    if (lastThatTouched(log) !== activation)
        return { at: 'superseded', before, cause: activation_failure('overtaken: interrupted') };
    if (restoring === undefined)
        return forward(own, before);
    const failed = own.find((entry) => entry.cause !== null)?.cause;
    return { at: 'restoring', before, cause: failed ?? activation_failure('activation-died: while restoring') };
}
function forward(own, before) {
    const probation = own.findLast((entry) => entry.probation !== null)?.probation ?? null;
    if (probation !== null)
        return { at: 'watching', before, probation };
    const canary = openCanary(own);
    return canary === null ? { at: 'swapped', before } : { at: 'canary', before, canary };
}
/** The canary that an activation's entries have begun and not ended. */
function openCanary(own) {
    const canary = own.findLast((entry) => entry.canary !== null)?.canary ?? null;
    const isOver = own.some((entry) => entry.verdict !== null ||
        isBegin(entry, 'rollback') ||
        (entry.step === 'canary' && entry.state === 'done'));
    return isOver ? null : canary;
}
/** The canary that goes on, or did when its process died. */
function canaryIn(log) {
    const last = lastThatTouched(log);
    return openCanary(log.filter(({ activation }) => activation === last));
}
/** Whether another activation waits for the lock that this one holds. */
function isAwaited(log, activation) {
    const begun = log.findIndex((entry) => entry.activation === activation);
    const last = new Map(log.slice(begun + 1).map((entry) => [entry.activation, entry]));
    last.delete(activation);
    // One that has its verdict touches nothing any more.
    for (const entry of log)
        if (entry.verdict !== null)
            last.delete(entry.activation);
    return [...last.values()].some(({ step, state }) => step === 'lock' && state !== 'done');
}
/** Whether it has begun to touch what is live. */
function hasTouched(log, activation) {
    return log.some((entry) => entry.activation === activation && touches(entry));
}
/** The activation that touched something last, where it has no verdict. A later one has settled what others left. */
function interruptedIn(log) {
    const last = lastThatTouched(log);
    return log.some(({ activation, verdict }) => activation === last && verdict !== null) ? null : last;
}
/** Whether its release is live, and on probation. Nobody needs to wait for the end of that. */
function isOnProbation(log, activation) {
    const own = log.filter((entry) => entry.activation === activation);
    return own.some(({ probation }) => probation !== null) && !own.some((entry) => isBegin(entry, 'rollback'));
}
/** How canary and probation of the last activation went, or go, for people; null where there is nothing to tell. */
function probationOf(log) {
    const last = lastThatTouched(log);
    const own = log.filter(({ activation }) => activation === last);
    const canary = own.findLast((entry) => entry.canary !== null)?.canary?.release;
    const release = own.find((entry) => entry.probation !== null)?.probation?.verdict.live ?? canary;
    if (release === undefined)
        return null;
    const end = own.find(({ verdict }) => verdict !== null);
    if (end?.verdict == null) {
        if (own.some((entry) => isBegin(entry, 'rollback')))
            return `${release} is being taken back.`;
        if (openCanary(own) !== null)
            return `${release} is a canary: one worker serves it, and another deploy or rollback ends that.`;
        return own.some(({ probation }) => probation !== null)
            ? `${release} is on probation: the server watches it.`
            : null;
    }
    const { status, live, failure: why } = end.verdict;
    if (why !== null)
        return `${release} was taken back at ${end.time}, and ended ${status}: ${why.message} ${live} serves.`;
    return null;
}
/** Whether another activation has begun since this one's release is on probation. That ends it. */
function endsProbation(log, activation) {
    const begun = log.findIndex((entry) => entry.activation === activation && entry.probation !== null);
    return log
        .slice(begun + 1)
        .some((entry) => entry.activation !== activation && entry.step !== 'watch' && entry.verdict === null);
}
/** The activation that touched something last. */
function lastThatTouched(log) {
    return log.findLast(touches)?.activation ?? null;
}
function touches(entry) {
    return isBegin(entry, 'swap') || isBegin(entry, 'rollback');
}
function isBegin({ step, state }, name) {
    return step === name && state === 'begin';
}
/** What comes of a failure in a state. */
function onFailure(state, cause, seen) {
    switch (state.at) {
        case 'queued':
            // Never settle on a guess: something live was touched, or somebody else is at it.
            return seen.touched || seen.elsewhere ? { at: 'unsettled', cause } : kept(cause, seen);
        case 'prepared':
            if (seen.before === undefined || seen.current === seen.before.current)
                return kept(cause, seen);
            return restoring(cause, seen);
        case 'swapped':
        case 'canary':
        case 'watching':
            return restoring(cause, seen);
        case 'restoring':
            return { at: 'ended', as: 'down', cause };
        default:
            return { at: 'unsettled', cause };
    }
}
function restoring(cause, { before, during }) {
    return { at: 'restoring', before: before ?? null, cause: cause.inContext(`during ${during}`) };
}
/** Nothing live was touched: what serves is what served. */
function kept(cause, { serving }) {
    return { at: 'settled', verdict: keptVerdict(serving, cause.toRecord()), known: false };
}
/** What workers are told at a moment of the activation; null: there is none any more. */
function noticeFor(moment, { times, foreign, together, }) {
    const { stay } = times;
    switch (moment) {
        case 'swap':
            // Where nobody serves while the new workers boot, letting them wait would only lengthen the gap.
            return { observe: foreign === 0, stay: together ? stay : 0, halt: false };
        case 'restore':
            return { observe: false, stay, halt: false };
        case 'make-room':
            return { observe: false, stay: 0, halt: false };
        case 'stop':
            return { observe: false, stay, halt: true };
        case 'alone':
            return null;
    }
}
/** Whether the workers may be told that there is no activation any more, once its process ends. */
function mayDismiss(state) {
    // After the swap, without a verdict or with a bad one, the old workers may be all that serves: they leave when their
    // time is up, and PM2 may have started something by then.
    return state.at === 'settled' && state.verdict.status !== 'down';
}

;// CONCATENATED MODULE: ./build/agent/activation/interrupted.js
/** Finds an activation that swapped and has no verdict: its process died, or the whole server. */








/** @returns its id, or null. Only the last that swapped matters: a later one has settled what it left. */
async function interruptedActivation(layout) {
    const entries = await readJournal(layout.journal);
    const activation = lastThatTouched(entries) === null ? await lostFromJournal(layout) : interruptedIn(entries);
    if (activation === null)
        return null;
    const { job, owner } = activationFiles(layout, activation);
    return ownerLives(owner) !== true && (await exists(job)) ? activation : null;
}
/** Somebody emptied the journal: what an activation left tells of it, where its release is live and was never verified. */
async function lostFromJournal(layout) {
    const live = await liveRelease(layout);
    if (live === null || (await activatedAt(layout, live).catch(() => null)) !== null)
        return null;
    for (const name of await (0,promises_namespaceObject.readdir)(layout.activations).catch(() => [])) {
        if (!name.endsWith('.json'))
            continue;
        const job = await readJob((0,external_node_path_namespaceObject.join)(layout.activations, name));
        if (job?.request.release === live)
            return job.request.activation;
    }
    return null;
}
/** Whether somebody emptied the journal after this activation had swapped. The release of a deploy is no other's. */
async function isLost(layout, { kind, release }) {
    if (kind !== 'deploy' || (await liveRelease(layout)) !== release)
        return false;
    return (await activatedAt(layout, release).catch(() => null)) === null;
}

;// CONCATENATED MODULE: external "node:net"
const external_node_net_namespaceObject = require("node:net");
;// CONCATENATED MODULE: ./build/agent/system/sockets.js
/** Addresses of servers on this machine. */

const EVERYWHERE = new Set(['0.0.0.0', '::']);
function isEverywhere(host) {
    return EVERYWHERE.has(host);
}
function formatAddress({ host, port, socket }) {
    return socket ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
/** Returns an address that reaches a server which listens on all addresses, or the path of its socket. */
function reachable({ host, socket }) {
    if (socket)
        return socket;
    if (host === '0.0.0.0')
        return '127.0.0.1';
    return host === '::' ? '::1' : host;
}
/** How long a server on this machine may take to accept a connection, in ms. */
const ACCEPT = 2000;
function acceptsConnections({ host, port }) {
    return new Promise((resolve) => {
        const socket = (0,external_node_net_namespaceObject.connect)({ host: reachable({ host }), port, timeout: ACCEPT });
        const end = (accepted) => {
            socket.destroy();
            resolve(accepted);
        };
        socket.once('connect', () => end(true));
        socket.once('timeout', () => end(false));
        socket.once('error', () => end(false));
    });
}

;// CONCATENATED MODULE: ./build/agent/activation/activation.js
/** What the steps of one activation share. */


/** Runs one step, and journals its begin and its end. The text that it returns is told. */
async function step({ world: { journal } }, name, detail, act) {
    await journal.begin(name, detail);
    try {
        const result = await act();
        await journal.done(name, typeof result === 'string' ? result : detail);
        return result;
    }
    catch (error) {
        await journal.failed(name, error.message);
        throw error;
    }
}
/** Tells the workers where the activation is. */
function tellWorkers({ world, facts }, moment, changes = {}) {
    const notice = noticeFor(moment, facts);
    return world.notify(notice && { ...notice, ...changes });
}
/** A cause as the journal keeps it. */
function toRecord(cause) {
    return cause instanceof Failure ? cause.toRecord() : cause;
}
/** Notes a failure in the journal instead of throwing it. */
async function bestEffort(world, act, problem) {
    await act.catch((error) => world.journal.note('health-check', `${problem}: ${error.message}`));
}
/** Runs the user's commands, unless an earlier process of the activation has. @throws Failure `hook-failed` */
async function hook(activation, name) {
    const { world, job, facts } = activation;
    const { preActivate, postActivate } = job.request;
    const commands = name === 'pre-activate' ? preActivate : postActivate;
    if (commands === null || facts.done.has(name))
        return;
    await step(activation, name, name, () => world.runHook(name, commands, facts.target));
}

;// CONCATENATED MODULE: ./build/agent/activation/converge.js
/** The one loop that waits for workers: looks, decides, acts, until there is nothing left to do. */

const converge_POLL = 100;
/** More looks than any decision asks for. */
const LOOKS = 5;
/** @throws the Failure that was decided on */
async function converge(world, decide, { limitMs, pauseMs = converge_POLL, ask = {} }) {
    const since = world.now();
    const acts = [];
    const refused = [];
    const open = [];
    let sightings = [];
    let looks = [];
    const start = (act) => {
        const index = acts.push({ act, at: world.now(), answered: false }) - 1;
        const answer = world.act(act).catch((error) => void refused.push(error.message));
        open.push(answer.then(() => void (acts[index] = { ...acts[index], answered: true })));
    };
    for (;;) {
        const seen = await world.look(ask);
        const now = world.now();
        sightings = remember(sightings, seen);
        const asked = { now, since, late: now - since >= limitMs, acts, refused, sightings, looks };
        const decision = decide(seen, asked);
        if (decision === 'done')
            return { seen, answered: Promise.all(open).then(() => refused) };
        if (decision instanceof Failure)
            throw decision;
        decision.forEach(start);
        looks = [...looks, seen].slice(-LOOKS);
        await world.sleep(pauseMs);
    }
}
function remember(known, { listed }) {
    const now = listed.map(({ process: { id, pid }, record }) => ({
        id,
        pid,
        release: record?.release ?? null,
    }));
    const isKnown = (one) => known.some(({ id, pid, release }) => id === one.id && pid === one.pid && release === one.release);
    const fresh = now.filter((one) => !isKnown(one));
    return fresh.length === 0 ? known : [...known, ...fresh];
}

;// CONCATENATED MODULE: ./build/agent/activation/decide.js
/** What to do next about the workers, given what is seen and what was asked already. Pure. */


/** The records of all workers that live, listed or not. */
function recordsIn({ listed, unlisted }) {
    return [...unlisted, ...listed.flatMap(({ record }) => record ?? [])];
}
/** Brings workers to the release that `current` points at: reloads those that are there, and adds those that miss. */
function toServe(serving) {
    const { release, first = 0, count } = serving;
    return (seen, asked) => {
        const ready = servingNow(seen, serving);
        const wanted = count - first;
        if (ready.length >= wanted)
            return 'done';
        if (seen.listed.length === 0 && asked.sightings.length > 0) {
            return server_failure('pm2-failed: daemon died', {});
        }
        const acts = missing(seen, asked, serving);
        if (acts.length > 0)
            return acts;
        const workers = seen.listed.slice(first, count);
        const dead = workers.find((worker) => hasDied(worker, asked, serving));
        if (dead !== undefined) {
            return activation_failure('worker-died', { release, status: dead.process.status });
        }
        const { refused } = asked;
        if (refused.length > 0 && !areStartedSince(workers, wanted, serving)) {
            return server_failure('pm2-failed: refused', { problem: refused.join('; ') });
        }
        if (!asked.late)
            return [];
        const waiting = workers.find((worker) => !ready.includes(worker));
        const workersMissing = { missing: wanted - ready.length, wanted };
        return activation_failure('worker-unhealthy', { ...workersMissing, release, seen: describe(waiting) });
    };
}
/** The workers that serve the release since this began. */
function servingNow(seen, serving) {
    const { release, first = 0, count } = serving;
    const old = oldPids(serving);
    return seen.listed
        .slice(first, count)
        .filter((worker) => serves(worker, release) && !old.has(worker.process.pid));
}
/** The processes from before, but for those that are being replaced. */
function oldPids({ initial, adopted }) {
    return new Set(initial.filter(({ id }) => !adopted.has(id)).map(({ pid }) => pid));
}
function missing({ listed }, asked, serving) {
    const { app, count, from, initial, adopted } = serving;
    const reloads = initial
        .slice(from, count)
        .filter(({ id }) => !adopted.has(id) && !wasAsked(asked, 'reload', id))
        .map(({ id, pid }) => ({ do: 'reload', id, pid, options: app.options }));
    const beyond = count - Math.max(from, initial.length);
    const starts = initial.length === 0 && from === 0 ? 1 : 0;
    const first = listed[0]?.process;
    if (first === undefined) {
        return starts === 1 && !wasAsked(asked, 'start')
            ? [...reloads, { do: 'start', id: 0, pid: 0, app }]
            : reloads;
    }
    const { id, pid } = first;
    const duplicates = beyond - starts - asked.acts.filter(({ act }) => act.do === 'duplicate').length;
    return [
        ...reloads,
        ...Array.from({ length: Math.max(0, duplicates) }, () => ({ do: 'duplicate', id, pid })),
    ];
}
/**
 * PM2 7.0.4 refuses to replace a worker that has just exited ("process already started"). The worker that PM2 starts in
 * its place runs the release already.
 */
function areStartedSince(workers, wanted, { initial }) {
    const pids = new Set(initial.map(({ pid }) => pid));
    return workers.length >= wanted && workers.every(({ process: { pid } }) => !pids.has(pid));
}
/** PM2 starts a worker again that exits before it is ready: then another process has its id. */
function hasDied({ process: { id, pid, status } }, asked, serving) {
    if (status === 'errored' || status === 'stopped')
        return true;
    const old = oldPids(serving);
    const own = asked.sightings.filter((sighting) => sighting.id === id && sighting.release === serving.release && !old.has(sighting.pid));
    const pids = new Set(own.map((sighting) => sighting.pid));
    return pids.size > 1 || (pids.size === 1 && !pids.has(pid));
}
/**
 * Replaces every worker that does not serve the release, which `current` points at again, and finishes a reload that
 * waits with it. Done also where PM2 has no worker at all, because its daemon died.
 */
function toRestore({ release, options, instances, failed, leaving }) {
    return ({ listed }, asked) => {
        const serving = listed.filter((worker) => serves(worker, release)).length;
        if (listed.length === 0 || serving >= Math.min(instances, listed.length))
            return 'done';
        if (asked.late) {
            const other = listed.find((worker) => !serves(worker, release));
            const problem = `not every worker serves "${release}" (${describe(other)})`;
            return activation_failure('restore-failed', { problem });
        }
        return listed.flatMap((worker) => {
            const { process, record } = worker;
            const { id, pid, status } = process;
            const ended = status === 'errored' || status === 'stopped';
            if (record?.release === release || (record === null && !ended))
                return [];
            const first = !asked.acts.some(({ act }) => act.id === id && act.pid === pid);
            if (!ended && record !== null && isBehindDoor(record)) {
                // PM2 itself starts a process that exits before it was ready once more, and from here on that is the release.
                // Asked to restart it, it would start two (7.0.4), and forget one. It may hang, and nobody is lost there.
                return [{ do: first ? 'sigint' : 'kill', id, pid }];
            }
            if (first) {
                // A worker of a third release, from before an activation that was interrupted, stays when it is told to leave.
                const stays = record !== null && record.release !== failed && record.phase === 'open';
                return [{ do: stays ? 'reload' : 'restart', id, pid, options }];
            }
            return status === 'stopping' ? endIfHung({ id, pid, record }, asked, leaving) : [];
        });
    };
}
/** Looks in a row that must find the app stopped: a restart that PM2 had begun may still come through. */
const QUIET = 5;
/**
 * Stops the app. PM2 takes a process that is stopped before it was ready for one that crashed, and starts it again
 * (7.0.4). A worker that starts while the notice says `halt` starts nothing, is ready at once, and can be stopped.
 * @param drained whether to wait for workers that take no traffic any more and finish what is inside
 */
function toStop(drained, leaving) {
    const running = ({ listed }) => listed.filter((worker) => !hasStopped(worker) && (drained || !isLeaving(worker)));
    return (seen, asked) => {
        const looks = [...asked.looks, seen].slice(-QUIET);
        if (looks.length === QUIET && looks.every((look) => running(look).length === 0))
            return 'done';
        const workers = running(seen);
        if (asked.late && workers.length > 0) {
            return activation_failure('restore-failed: not stopped', { problem: describe(workers[0]) });
        }
        return workers.flatMap((worker) => {
            const { id, pid, status } = worker.process;
            if (pid === 0)
                return [];
            if (asked.acts.some(({ act }) => act.pid === pid))
                return endIfHung({ id, pid, record: worker.record }, asked, leaving);
            if (isStarting(worker))
                return [{ do: 'kill', id, pid }];
            return status === 'online' ? [{ do: 'stop', id, pid }] : [];
        });
    };
}
/**
 * Ends a crash loop that an earlier failure may have left: PM2 does not reload such a worker ("process already
 * started", 7.0.4), and it serves nobody.
 */
const toStopCrashLoop = ({ listed }, { late }) => {
    const starting = listed.filter(isStarting);
    if (starting.length === 0 || late)
        return 'done';
    return starting
        .filter(({ process: { pid } }) => pid > 0)
        .map(({ process: { id, pid } }) => ({ do: 'kill', id, pid }));
};
/**
 * Removes the workers beyond `instances`, the youngest first, and tells those to leave that PM2 does not list. Those
 * that it replaces hear it once more. Others it has forgotten: it starts a process twice that is restarted before it
 * was ready (7.0.4), and keeps one of the two, which may still boot. Done when no other release takes traffic, and no orphan is deaf. Where PM2
 * lists no worker that serves, its daemon has just died, and those that it does not list are all that does.
 */
function toScaleDown(release, instances, leaving) {
    return (seen, asked) => {
        const { listed, unlisted } = seen;
        if (!listed.some((worker) => serves(worker, release)))
            return asked.late ? 'done' : [];
        const surplus = listed.slice(instances);
        const removed = surplus
            .filter((worker) => !isStarting(worker) && !wasAskedOf(asked, 'remove', worker))
            .map(({ process: { id, pid } }) => ({ do: 'remove', id, pid }));
        // PM2 would start it again. Once that is the release itself and serves, it can be removed.
        const ended = surplus
            .filter((worker) => isStarting(worker) && worker.record !== null && worker.record.release !== release)
            .filter((worker) => !wasAskedOf(asked, 'kill', worker))
            .map(({ process: { id, pid } }) => ({ do: 'kill', id, pid }));
        const forgotten = unlisted
            .filter(({ phase, pid }) => phase !== 'draining' && !asked.acts.some(({ act }) => act.pid === pid))
            .map(({ pid }) => ({ do: 'sigint', id: -1, pid }));
        const isInTheWay = (record) => takesTraffic(record, release) || isDeaf(record);
        const hung = unlisted
            .filter(isInTheWay)
            .flatMap((record) => endIfHung({ id: -1, pid: record.pid, record }, asked, leaving));
        const acts = [...removed, ...ended, ...forgotten, ...hung];
        if (acts.length > 0)
            return acts;
        const isOnly = !recordsIn(seen).some(isInTheWay);
        const isAlone = isOnly && !unlisted.some(isBehindDoor) && !surplus.some(isStarting);
        return asked.late || isAlone ? 'done' : [];
    };
}
/** An orphan that has not said how long it stays: a healthy one says so at once. PM2 ends workers that are no orphans. */
function isDeaf({ orphaned, phase, leavesAt }) {
    return orphaned !== null && phase === 'open' && leavesAt === null;
}
function takesTraffic(record, except) {
    return record.release !== except && record.phase === 'open';
}
/**
 * Waits until PM2 has no old worker aside. It has one place for each id: PM2 7 refuses a reload while that is taken, 5
 * and 6 forget the worker.
 */
const toBeReplaced = ({ replacing }, { late }) => (replacing.size === 0 || late ? 'done' : []);
/** Watches workers for a time: the same processes, each healthy whenever it is asked. */
function toStayHealthy(shown, pids, observeMs) {
    return (seen, { now, since }) => unhealthy(seen, shown, pids) ?? (now - since >= observeMs ? 'done' : []);
}
/** Waits until so many workers of a release are healthy. */
function toBecomeHealthy(shown, instances) {
    const { release } = shown;
    return (seen, { late }) => {
        const workers = seen.listed.filter((worker) => serves(worker, release));
        if (workers.length === 0) {
            return late ? activation_failure('restore-failed', { problem: `no worker serves "${release}"` }) : [];
        }
        const pids = workers.slice(0, instances).map(({ process: { pid } }) => pid);
        const trouble = unhealthy(seen, shown, pids);
        return trouble === null ? 'done' : late ? trouble : [];
    };
}
function unhealthy({ listed, answers, door }, { release, address }, pids) {
    const serving = listed.filter((worker) => serves(worker, release)).map(({ process: { pid } }) => pid);
    if (!pids.every((pid) => serving.includes(pid))) {
        return activation_failure('worker-died: serving', { release });
    }
    for (const pid of serving) {
        const answer = answers.get(pid);
        if (answer !== undefined && !answer.healthy) {
            const values = { pid, release, answer: answer.detail };
            return activation_failure('worker-unhealthy: serving', values, { evidence: answer.excerpt });
        }
    }
    // The old workers still answer here beside the new ones, and may not know the new health path: any answer shows that
    // the port is open.
    if (door !== null && door.status > 0)
        return null;
    const problem = door?.detail ?? 'no request was sent';
    return address.startsWith('/')
        ? activation_failure('door-closed: socket', { socket: address, problem })
        : activation_failure('door-closed', { address, problem });
}
/** A launcher that lives closes its door at once when it is told to leave. After this it is asked, in ms. */
const decide_PATIENCE = 5000;
function endIfHung({ id, pid, record }, asked, { check, drainMs }) {
    if (record === null)
        return [];
    const asks = asked.acts.filter(({ act }) => act.pid === pid);
    const waited = asked.now - (asks[0]?.at ?? asked.now);
    if (record.phase === 'draining')
        return waited >= drainMs ? [{ do: 'kill', id, pid }] : [];
    const isAsking = asks.some(({ act, answered }) => act.do === 'kill-if-hung' && !answered);
    if (record.phase !== 'open' || waited < decide_PATIENCE || isAsking)
        return [];
    return [{ do: 'kill-if-hung', id, pid, port: record.port, check }];
}
function wasAsked({ acts }, what, id) {
    return acts.some(({ act }) => act.do === what && (id === undefined || act.id === id));
}
function wasAskedOf({ acts }, what, { process }) {
    return acts.some(({ act }) => act.do === what && act.id === process.id && act.pid === process.pid);
}
/** Whether a worker takes traffic for a release. */
function serves({ process, record }, release) {
    return process.status === 'online' && record?.release === release && record.phase === 'open';
}
/** The release that takes traffic, or null where none does, or more than one. */
function servedRelease(workers) {
    const served = new Set(workers.flatMap(({ process, record }) => process.status === 'online' && record?.phase === 'open' ? [record.release] : []));
    return served.size === 1 ? [...served][0] : null;
}
/** What a worker does, for people. */
function describe(worker) {
    if (worker === undefined)
        return 'PM2 lists too few workers';
    const { process, record } = worker;
    if (record === null)
        return `process ${process.pid} (${process.status}) has not reported`;
    const answer = record.detail === '' ? '' : `, last answer: ${record.detail} ${record.excerpt}`;
    return `process ${process.pid} is ${record.phase === 'proving' ? 'being checked' : record.phase}${answer}`;
}
/** Behind a closed door, and not told to wait. */
function isStarting({ process: { status }, record }) {
    const ready = status === 'online' || status === 'stopped' || status === 'errored' || status === 'stopping';
    return !ready && (record === null || record.phase === 'booting' || record.phase === 'proving');
}
/** PM2 does not start it again. */
function isLeaving({ process: { status }, record }) {
    return status === 'stopping' && record?.phase === 'draining';
}
function hasStopped({ process: { status }, record }) {
    return record === null && (status === 'stopped' || status === 'errored');
}
function isBehindDoor({ phase, doorPort }) {
    return phase === 'booting' || phase === 'proving' || doorPort === 0;
}

;// CONCATENATED MODULE: ./build/common/listening-sockets.js
/** Which TCP sockets this machine has, and who holds them. Linux only, as the servers are. */

/** The kernel's word for a listening socket in /proc/net/tcp. */
const LISTEN = '0A';
function listeningSockets() {
    return tcpSockets().filter(({ listens }) => listens);
}
/** Those that a process has accepted from the sockets that it listens on, and not closed. */
function acceptedBy(pid) {
    const sockets = heldBy(pid, tcpSockets());
    const ports = new Set(sockets.filter(({ listens }) => listens).map(({ port }) => port));
    return sockets.filter(({ listens, port }) => !listens && ports.has(port));
}
function tcpSockets() {
    const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => {
        try {
            return (0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8').split('\n').slice(1);
        }
        catch {
            return [];
        }
    });
    return lines.flatMap((line) => {
        const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
        const [host = '', port = ''] = local.split(':');
        if (port === '')
            return [];
        return [{ host: toText(host), port: Number.parseInt(port, 16), inode, listens: state === LISTEN }];
    });
}
/** Whether the descriptors of a process can be seen. */
function isVisible(pid) {
    try {
        (0,external_node_fs_namespaceObject.readdirSync)(`/proc/${pid}/fd`);
        return true;
    }
    catch {
        return false;
    }
}
/**
 * @param pid of a process of this user's: nobody else's sockets can be seen
 * @returns those of the sockets that it has open, each with its file descriptor
 */
function heldBy(pid, sockets) {
    const descriptors = new Map(socketsOf(pid).map(({ inode, fd }) => [inode, fd]));
    return sockets.flatMap((socket) => {
        const fd = descriptors.get(socket.inode);
        return fd === undefined ? [] : [{ ...socket, fd }];
    });
}
/** The file descriptor under which a process of this user holds a socket, or null. */
function descriptorOf(pid, inode) {
    return socketsOf(pid).find((socket) => socket.inode === inode)?.fd ?? null;
}
function socketsOf(pid) {
    const folder = `/proc/${pid}/fd`;
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(folder).flatMap((name) => {
            const inode = inodeAt(`${folder}/${name}`);
            return inode === null ? [] : [{ fd: Number(name), inode }];
        });
    }
    catch {
        return [];
    }
}
/** @param link of a descriptor in /proc @returns null where that is no socket, or gone */
function inodeAt(link) {
    try {
        return /^socket:\[(\d+)\]$/.exec((0,external_node_fs_namespaceObject.readlinkSync)(link))?.[1] ?? null;
    }
    catch {
        return null;
    }
}
/** The kernel writes an address as words of 32 bits, each in the order of the machine: little-endian where Node runs. */
function toText(hex) {
    const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].reverse());
    const tail = bytes.slice(-4).join('.');
    if (bytes.length === 4)
        return tail;
    const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? [];
    if (groups.slice(0, 6).join('') === '0'.repeat(20) + 'ffff')
        return tail;
    return kernelAddress(groups.join(':'));
}
/** @param address of IPv4 or IPv6, in any spelling @returns the one that `listeningSockets` has */
function kernelAddress(address) {
    if (!address.includes(':'))
        return address;
    const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
    if (mapped !== undefined)
        return mapped;
    // A URL has the short form. It takes no zone, and the kernel tells none.
    return new URL(`http://[${address.replace(/%.*/, '')}]`).hostname.slice(1, -1);
}

;// CONCATENATED MODULE: ./build/agent/pm2/apps.js
/** The apps that PM2 runs for this user: which Gapless deployed, from where, and where they listen. */







/** What PM2 starts for every app that Gapless deployed, below the app's folder. */
const PROGRAM = `/current/${LAUNCHER}`;
/** Returns the folder that Gapless deployed the app to; null where somebody else started the app. */
function folderOf({ script }) {
    return script.endsWith(PROGRAM) ? script.slice(0, -PROGRAM.length) : null;
}
/** Whether two paths lead to one folder. A path that does not exist equals itself. */
function isSameFolder(one, other) {
    return one === other || (apps_realPath(one) ?? one) === (apps_realPath(other) ?? other);
}
function apps_realPath(path) {
    try {
        return (0,external_node_fs_namespaceObject.realpathSync)(path);
    }
    catch {
        return null;
    }
}
/** Returns where the workers of all apps that Gapless deployed receive traffic. */
async function openDoors(processes) {
    const apps = new Map();
    for (const process of processes) {
        const folder = folderOf(process);
        if (folder !== null)
            apps.set(folder, process.name);
    }
    const doors = [...apps].map(async ([folder, name]) => {
        const layout = layoutOf(folder);
        const workers = (await readWorkers(layout.workers)).filter(({ candidate, phase, doorPort }) => !candidate && phase === 'open' && doorPort > 0);
        return Promise.all(workers.map(async ({ release, doorPort }) => {
            const runtime = await readRuntime(layout, release).catch(() => null);
            // A preview has no port.
            if (runtime?.socket)
                return [];
            // An unknown host counts as all addresses: refusing what might work does less harm.
            return [{ name, folder, host: runtime?.host ?? '0.0.0.0', port: doorPort }];
        }));
    });
    return (await Promise.all(doors)).flat(2);
}
function isRunningUnder({ status }) {
    return status === 'online' || status === 'launching';
}
/**
 * Returns where processes listen that Gapless did not start; empty where that is unknown.
 * @param all of PM2's processes, and its daemon, which listens for all cluster workers
 */
async function addressesOf(processes, { all, daemon }) {
    const sockets = listeningSockets();
    const running = processes.filter(isRunningUnder);
    const pids = withDescendants(running.map(({ pid }) => pid).filter((pid) => pid > 0));
    const own = pids.flatMap((pid) => heldBy(pid, sockets));
    const clustered = running.filter(({ mode }) => mode === 'cluster_mode');
    if (clustered.length === 0 || daemon === null)
        return own.map(toAddress);
    const doors = await openDoors(all);
    const shared = heldBy(daemon, sockets).filter(({ port }) => !doors.some((door) => door.port === port));
    const named = shared.filter(({ port }) => clustered.some((process) => portOf(process) === port));
    const alone = !all.some((other) => other.mode === 'cluster_mode' &&
        isRunningUnder(other) &&
        folderOf(other) === null &&
        !processes.some(({ id }) => id === other.id));
    return [...own, ...(named.length > 0 ? named : alone ? shared : [])].map(toAddress);
}
function toAddress({ host, port }) {
    return { host, port };
}
/** What its environment says, where PM2 started it with one. */
function portOf({ definition }) {
    const { env, PORT } = definition;
    const port = Number(env?.PORT ?? PORT);
    return Number.isInteger(port) ? port : null;
}

;// CONCATENATED MODULE: ./build/agent/activation/replaced.js
/**
 * What the app's first deploy replaces, which Gapless did not make: where `current` pointed, and what PM2 ran under the
 * app's name. Written down before the swap, so that whoever finishes the activation can put it back.
 */








/** @param processes of the app's name: those that Gapless started, and the others */
async function lookAtReplaced(layout, { ours, foreign }, running) {
    const [current, addresses] = await Promise.all([foreignCurrent(layout), addressesOf(foreign, running)]);
    return { current, processes: foreign, besideOurs: ours.some(isRunningUnder), addresses };
}
function replacesNothing({ current, processes }) {
    return current === null && processes.length === 0;
}
/** What an activation wrote down that has come to no verdict since; else null. */
function readReplaced({ replaced }) {
    try {
        return JSON.parse((0,external_node_fs_namespaceObject.readFileSync)(replaced, 'utf8'));
    }
    catch {
        return null;
    }
}
async function writeReplaced({ replaced }, content) {
    if (replacesNothing(content))
        return (0,promises_namespaceObject.rm)(replaced, { force: true });
    // It holds the environment of the processes.
    await writeFileAtomic(replaced, JSON.stringify(content), 0o600);
}
async function forgetReplaced({ replaced }) {
    await (0,promises_namespaceObject.rm)(replaced, { force: true });
}
/** How long an app may take until it listens again, in ms. */
const replaced_PATIENCE = 60_000;
const replaced_LOOK = 200;
/** Looks in a row that must find the same processes. */
const STEADY = 10;
/**
 * Puts all of it back, and looks whether it serves.
 * @returns what was seen
 * @throws Failure `restore-failed`
 */
async function putBack({ layout, pm2, appName, withReserve }, { current, processes, addresses }, patienceMs = replaced_PATIENCE) {
    const seen = [];
    if (current !== null) {
        await withReserve(() => pointCurrentBack(layout, current));
        seen.push(`current -> ${current} again`);
    }
    const complaints = [];
    for (const process of processes) {
        await pm2.revive(process).catch((error) => complaints.push(error.message));
    }
    const expected = processes.filter(isRunningUnder).length;
    if (expected > 0) {
        const problem = await untilRunning(() => pm2.list(appName), expected, addresses, patienceMs);
        if (problem !== null) {
            throw activation_failure('restore-failed: other app', { problem: [problem, ...complaints].join('; ') });
        }
        const where = addresses.length > 0 ? `, and accepts connections on ${listOf(addresses)}` : '';
        seen.push(`what PM2 ran before under the name "${appName}" was started again${where}`);
    }
    return seen.join('; ');
}
/** @returns what is wrong, once there is no more time; null where all is well */
async function untilRunning(list, expected, addresses, patienceMs) {
    const deadline = performance.now() + patienceMs;
    let before = '';
    for (let steady = 0; steady < STEADY;) {
        const running = (await list()).filter(({ status }) => status === 'online');
        const silent = [];
        for (const address of addresses)
            if (!(await acceptsConnections(address)))
                silent.push(address);
        const pids = running.map(({ pid }) => pid).join(' ');
        const well = running.length >= expected && silent.length === 0;
        steady = well && pids === before ? steady + 1 : 0;
        before = pids;
        if (steady < STEADY && performance.now() >= deadline) {
            if (running.length < expected)
                return `PM2 keeps ${running.length} of ${expected} processes online`;
            if (silent.length > 0)
                return `nothing accepts connections on ${listOf(silent)}`;
            return 'its processes restart again and again';
        }
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(replaced_LOOK);
    }
    return null;
}
function listOf(addresses) {
    return [...new Set(addresses.map(formatAddress))].join(', ');
}

;// CONCATENATED MODULE: ./build/agent/activation/serve.js
/** Brings the workers to the release that `current` points at. */




/** Old workers look at the notice this often at the most, with room for a busy machine, in ms. */
const DOORS_CLOSE = 10_000;
/** A crash loop ends within this, or never, in ms. */
const CRASH_LOOP = 30_000;
/**
 * Brings `instances` workers to the release that `current` points at, and waits until they serve it.
 * @throws Failure `worker-died`, `worker-unhealthy` or `pm2-failed`, with what was seen last
 */
async function serve(activation, wanted) {
    const { world } = activation;
    const { app, release, first = 0, instances, together, limitMs } = wanted;
    const adopted = await underWay(activation, release);
    if (adopted.size === 0) {
        await untilReplaced(activation);
        await stopCrashLoop(activation, wanted.moment);
    }
    const initial = await world.list();
    let from = first;
    for (let count = together ? instances : first + 1;; count += 1) {
        const serving = { app, release, first, count, from, initial, adopted };
        const { seen, answered } = await converge(world, toServe(serving), { limitMs });
        if (count >= instances) {
            if (!together)
                await answered;
            return servingNow(seen, serving);
        }
        const refused = await answered;
        if (refused.length > 0)
            throw server_failure('pm2-failed: refused', { problem: refused.join('; ') });
        from = count;
    }
}
/**
 * The ids that PM2 is replacing by the target already, and the canary's. PM2's daemon carries through what an earlier
 * process had asked for. To wait for that would take a release that dies again and again longer than the old workers stay.
 */
async function underWay({ world, facts }, release) {
    if (!facts.resumed || release !== facts.target.release)
        return new Set();
    const { listed, replacing } = await world.look({ replacing: true });
    const canary = listed.find((worker) => worker.process.pid === facts.canary && serves(worker, release));
    return new Set([...replacing, ...(canary === undefined ? [] : [canary.process.id])]);
}
/** Waits for old workers that still drain from the activation before. */
async function untilReplaced({ world, facts }) {
    await converge(world, toBeReplaced, { limitMs: facts.app.options.kill_timeout, ask: { replacing: true } });
}
async function stopCrashLoop(activation, moment) {
    const { world } = activation;
    const { listed } = await world.look({});
    if (!listed.some(isStarting))
        return;
    await tellWorkers(activation, moment, { halt: true });
    await converge(world, toStopCrashLoop, { limitMs: CRASH_LOOP });
    await tellWorkers(activation, moment);
}

;// CONCATENATED MODULE: ./build/agent/pm2/orphans.js
/** Workers that have outlived PM2's daemon: they serve, and no daemon knows them. */


function orphansIn(records) {
    return records.filter(({ candidate, orphaned }) => !candidate && orphaned !== null);
}
/** What they were, for people; null where there is none. */
function describeOrphans(records) {
    const orphans = orphansIn(records);
    if (orphans.length === 0)
        return null;
    const lost = exitedSince(records).length;
    const gone = lost === 0 ? '' : `, ${lost} more exited meanwhile`;
    return `PM2's daemon had died: ${plural(orphans.length, 'worker')} kept serving without it${gone}`;
}
/** The pids of those that took traffic when the daemon died, and do not live any more. */
function exitedSince(records) {
    const alive = new Set(records.map(({ pid }) => pid));
    const beside = orphansIn(records).flatMap(({ orphaned }) => orphaned?.beside ?? []);
    return [...new Set(beside)].filter((pid) => !alive.has(pid));
}
function orphanStates(records) {
    return orphansIn(records).map(({ pid, release, phase, cache, traffic }) => ({
        pmId: '',
        pid,
        status: 'orphaned',
        release,
        phase,
        restarts: 0,
        memoryBytes: memoryOf(pid),
        cache,
        traffic,
    }));
}

;// CONCATENATED MODULE: ./build/agent/pm2/port.js
/** Whether the app's port is free for it, checked before anything live is touched. */








/** @throws Failure `port-taken` or `port-forbidden` */
async function assertPortIsOurs(host, port, users) {
    const error = await tryListen(host, port);
    if (error === null)
        return;
    if (error.code === 'EACCES') {
        throw server_failure('port-forbidden', { port });
    }
    if (error.code === 'EADDRNOTAVAIL') {
        throw server_failure('port-taken: no address', { host });
    }
    if (error.code !== 'EADDRINUSE')
        throw error;
    const sockets = listeningSockets().filter((socket) => socket.port === port);
    const holds = (pid) => heldBy(pid, sockets).length > 0;
    const owners = ownersOf(port, users);
    if (owners.some(holds))
        return;
    const pid = pids().find(holds);
    // Nobody sees what a process holds whose Node.js has capabilities of its own (`setcap`, for a port below 1024).
    if (pid === undefined && owners.some((owner) => !isVisible(owner)))
        return;
    if (pid === undefined && (await comesFree(host, port)))
        return;
    throw portTaken(`${host}:${port}`, port, pid);
}
/** How long an exiting process may hold its sockets after it is invisible, in ms. */
const LAST_BREATH = 2000;
async function comesFree(host, port) {
    const deadline = performance.now() + LAST_BREATH;
    while (performance.now() < deadline) {
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(100);
        if ((await tryListen(host, port)) === null)
            return true;
    }
    return false;
}
/**
 * PM2's daemon gives a second app the same socket, and visitors would reach either app (PM2 5 to 7).
 * @param base the app's folder
 * @throws Failure `port-taken` where another app that Gapless deployed listens there
 */
async function assertNoOtherDoor(base, address, all) {
    const doors = await openDoors(all);
    const other = doors.find((door) => clashes(door, address) && !isSameFolder(door.folder, base));
    if (other === undefined)
        return;
    const { name, folder } = other;
    throw server_failure('port-taken: app', { name, folder, address: formatAddress(other) });
}
/** Whether the kernel refuses to give both addresses to different processes. */
function clashes(one, other) {
    const overlap = one.host === other.host || isEverywhere(one.host) || isEverywhere(other.host);
    return one.port === other.port && overlap;
}
/**
 * The kernel does not give a port on all addresses to anybody while one process has it on one of them, nor the
 * reverse: the old workers hold it until the new ones serve.
 * @throws Failure `port-taken`
 */
function assertMayMove(from, to) {
    if (from.host === to.host || !clashes(from, to))
        return;
    throw server_failure('port-taken: other host', { from: formatAddress(from), to: formatAddress(to) });
}
/**
 * A proxy that leads to the old address would find nobody there, although the deploy succeeded.
 * @param from where the app listens now; empty where that is unknown
 * @throws Failure `address-differs` unless the run names the new address itself
 */
function assertMoveIsMeant(from, to, said) {
    const [first] = from;
    if (first === undefined || from.some((address) => takesOver(to, address)))
        return;
    const samePort = from.some(({ port }) => port === to.port);
    if (said.port === to.port || (samePort && said.host === to.host))
        return;
    const now = [...new Set(from.map(formatAddress))].join(', ');
    throw server_failure('address-differs', {
        now,
        next: formatAddress(to),
        nextPort: to.port,
        port: first.port,
        host: first.host,
    });
}
function takesOver(to, { host, port }) {
    return port === to.port && (host === to.host || isEverywhere(to.host));
}
/** Names the process, as far as this user may see it. */
function portTaken(address, port, pid) {
    if (pid === undefined)
        return server_failure('port-taken', { holder: 'Another process', address, port });
    const command = commandOf(pid);
    const [, home] = /^PM2 .*God Daemon \((.+)\)/.exec(command) ?? [];
    if (home !== undefined)
        return server_failure('port-taken: daemon', { home, pid, address });
    // Not the arguments: they may contain a secret.
    const holder = `Another process (${pid}, ${command.split(' ')[0]})`;
    return server_failure('port-taken', { holder, address, port });
}
/**
 * The daemon counts only where it holds this very port for this app: it gives a second app the same socket, and
 * visitors would reach either app (PM2 5 to 7).
 */
function ownersOf(port, { processes, records, daemon, addresses }) {
    const running = processes.filter(({ status }) => status === 'online' || status === 'launching');
    const recordOf = (pid) => records.find((record) => record.pid === pid);
    const throughDaemon = records.some(({ candidate, doorPort }) => !candidate && doorPort === port) ||
        // Somebody else started the process, and as far as is known it listens there.
        (running.some(({ pid, mode }) => mode === 'cluster_mode' && recordOf(pid) === undefined) &&
            (addresses.length === 0 || addresses.some((address) => address.port === port)));
    // `pm2 start npm -- start` and the like: PM2's process started what listens, and stops it too.
    const own = withDescendants(running.map(({ pid }) => pid));
    const orphans = orphansIn(records).map(({ pid }) => pid);
    return [...own, ...orphans, ...(throughDaemon && daemon !== null ? [daemon] : [])];
}
function tryListen(host, port) {
    return new Promise((resolve) => {
        const server = (0,external_node_net_namespaceObject.createServer)();
        server.once('error', (error) => resolve(error));
        server.listen({ host, port }, () => server.close(() => resolve(null)));
    });
}

;// CONCATENATED MODULE: ./build/agent/activation/judge.js
/** How likely a release that is as good as the one before is taken back, over all looks. */
const FALSE_ALARM = 0.001;
/** Fewer answers say nothing. */
const FEWEST = 20;
/** A look for each growth of the answers by so much. */
const GROWTH = 1.1;
/** By how much a share must be worse to matter. */
const MATTERS = 0.01;
function judge({ own, before, restarts, restartsBefore, lastLook }) {
    if (restarts > restartsBefore && (before === null || !isWorse(before, own, 1)))
        return 'restarted';
    const look = lookAt(own.answered);
    return look > lastLook && before !== null && isWorse(own, before, look) ? 'worse' : 'well';
}
/** The number of the look that so many answers are worth: it depends on nothing but their count. 0: none. */
function lookAt(answered) {
    return answered < FEWEST ? 0 : 1 + Math.floor(Math.log(answered / FEWEST) / Math.log(GROWTH));
}
/** Whether a share is worse than another one, beyond chance, and by enough to matter. */
function isWorse(own, other, look) {
    if (own.answered < FEWEST || other.answered === 0)
        return false;
    if (shareOf(own) - shareOf(other) < MATTERS)
        return false;
    return chance(own, other) <= FALSE_ALARM / (look * (look + 1));
}
function shareOf({ answered, failed }) {
    return answered === 0 ? 0 : failed / answered;
}
/** How likely so many of all failures, or more, are among the own answers, if both releases are alike. */
function chance(own, other) {
    const failed = own.failed + other.failed;
    const all = own.answered + other.answered;
    const most = Math.min(failed, own.answered);
    let term = Math.exp(choose(own.answered, own.failed) + choose(other.answered, other.failed) - choose(all, failed));
    let sum = 0;
    for (let count = own.failed; count <= most; count += 1) {
        sum += term;
        const [ownLeft, otherLeft] = [own.answered - count, failed - count];
        term *= (ownLeft * otherLeft) / ((count + 1) * (other.answered - otherLeft + 1));
        if (term < sum * 1e-12)
            break;
    }
    return Math.min(1, sum);
}
/** The logarithm of a binomial coefficient. */
function choose(all, some) {
    return logFactorial(all) - logFactorial(some) - logFactorial(all - some);
}
/** Stirling's series; exact to 12 digits from 10 on. */
function logFactorial(number) {
    if (number < 10) {
        let product = 1;
        for (let factor = 2; factor <= number; factor += 1)
            product *= factor;
        return Math.log(product);
    }
    const series = 1 / (12 * number) - 1 / (360 * number ** 3) + 1 / (1260 * number ** 5);
    return number * Math.log(number) - number + Math.log(2 * Math.PI * number) / 2 + series;
}

;// CONCATENATED MODULE: ./build/agent/activation/lived.js
/** How a release has done since it went live. */



/** What PM2 has counted since the verdict that made the release live. */
function restartsSince(entries, release, processes) {
    const verdict = entries.findLast((entry) => entry.verdict !== null && entry.verdict.live === release && entry.verdict.workers.length > 0)?.verdict;
    if (!verdict)
        return 0;
    const then = new Map(verdict.workers.map(({ pmId, restarts }) => [pmId, restarts]));
    return processes.reduce((all, { id, restarts }) => all + Math.max(0, restarts - (then.get(String(id)) ?? restarts)), 0);
}
/** For people; null where no worker of it tells. A worker that restarts begins to count anew. */
function lived(entries, release, processes, records) {
    const own = records.filter((record) => record.release === release && record.phase === 'open');
    if (release === null || own.length === 0)
        return null;
    const share = toShare(sum(own.flatMap(({ traffic }) => (traffic === null ? [] : tallyOf(traffic)))));
    const restarts = plural(restartsSince(entries, release, processes), 'restart');
    return `${release} so far: ${inWords(share)}, ${restarts}`;
}
function inWords(share) {
    const { answered, p95 } = share;
    const time = p95 === null ? '' : `, p95 ${formatDuration(p95)}`;
    return `${plural(answered, 'request')}, ${percent(share)} failed${time}`;
}
function percent(counts) {
    return `${(100 * shareOf(counts)).toFixed(1)}%`;
}

;// CONCATENATED MODULE: ./build/agent/system/cgroup.js
/**
 * The limits that control groups set, such as a container's or a systemd unit's: the machine's own figures do
 * not include them. Reads both versions at once, because in a hybrid hierarchy version 1 has the controllers.
 */


const kernel = { proc: '/proc', cgroup: '/sys/fs/cgroup' };
/** The memory that the groups leave a process, in bytes. Pages that the kernel drops on demand count as free. */
function memoryLeft(process, at = kernel) {
    const { v1, v2 } = groupsOf(process, 'memory', at);
    const left = (limit, used, dropped) => limit - Math.max(0, used - dropped);
    return Math.max(0, Math.min(Infinity, ...v2.map((group) => left(Math.min(numberIn(group, 'memory.max', Infinity), numberIn(group, 'memory.high', Infinity)), numberIn(group, 'memory.current', 0), statIn(group, 'inactive_file') + statIn(group, 'active_file') / 2)), ...v1.map((group) => left(numberIn(group, 'memory.limit_in_bytes', Infinity), numberIn(group, 'memory.usage_in_bytes', 0), statIn(group, 'total_inactive_file') + statIn(group, 'total_active_file') / 2))));
}
/** Returns how many CPUs the groups let a process use at the same time; Infinity where there is no limit. */
function cpusAllowed(process, at = kernel) {
    const { v1, v2 } = groupsOf(process, 'cpu', at);
    // "max 100000" means no quota, and so does -1.
    const share = (quota, period) => (quota > 0 && period > 0 ? quota / period : Infinity);
    return Math.min(Infinity, ...v2.map((group) => {
        const [quota, period] = (textIn(group, 'cpu.max') ?? '').split(' ').map(Number);
        return share(quota ?? 0, period ?? 0);
    }), ...v1.map((group) => share(numberIn(group, 'cpu.cfs_quota_us', -1), numberIn(group, 'cpu.cfs_period_us', 0))));
}
/** Returns the folders of the process's group and of its parents: a limit counts for everything below. */
function groupsOf(process, controller, { proc, cgroup }) {
    const lines = (textIn(proc, (0,external_node_path_namespaceObject.join)(String(process), 'cgroup')) ?? '').split('\n').map((line) => {
        const [, controllers = '', ...path] = line.split(':');
        return { controllers: controllers.split(','), path: path.join(':') };
    });
    const pathOf = (name) => lines.find(({ controllers }) => controllers.includes(name))?.path;
    return {
        v1: foldersUpTo((0,external_node_path_namespaceObject.join)(cgroup, controller), pathOf(controller)),
        v2: foldersUpTo(cgroup, pathOf('')),
    };
}
/** Without a cgroup namespace a container sees a path that is not mounted: its group is the top of the mount. */
function foldersUpTo(top, path) {
    if (path === undefined || !path.startsWith('/'))
        return [];
    const folders = [(0,external_node_path_namespaceObject.join)(top, path)];
    while (path !== '/') {
        path = (0,external_node_path_namespaceObject.dirname)(path);
        folders.push((0,external_node_path_namespaceObject.join)(top, path));
    }
    return folders;
}
function textIn(folder, name) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(folder, name), 'utf8').trim();
    }
    catch {
        return null;
    }
}
/** @param otherwise the value where there is no such file, or where the file has a word such as "max" */
function numberIn(folder, name, otherwise) {
    const text = textIn(folder, name) ?? '';
    return /^-?\d+$/.test(text) ? Number(text) : otherwise;
}
function statIn(folder, name) {
    const line = new RegExp(`^${name} (\\d+)$`, 'm').exec(textIn(folder, 'memory.stat') ?? '');
    return Number(line?.[1] ?? 0);
}

;// CONCATENATED MODULE: ./build/agent/activation/memory.js
/** Whether the server has room for the old workers and the new ones at the same time. */



/** What a worker of a small Next.js app takes (seen with 14 to 16), where none runs that could be measured. */
const USUAL = 120 * 1024 * 1024;
/** A new worker may take this much more than the old ones do. */
const HEADROOM = 1.2;
/** @param available bytes: see `availableMemory` */
function mayRunTogether(running, instances, available) {
    const measured = running.map(({ memoryBytes }) => memoryBytes).filter((bytes) => bytes > 0);
    const each = measured.length === 0 ? USUAL : Math.max(...measured);
    return instances <= 1 || instances * each * HEADROOM <= available;
}
/** In bytes. @param daemon PM2's: the workers are in its control groups, and under their limits; null: there is none */
function availableMemory(daemon, at = kernel) {
    return Math.min(machineMemory(at), memoryLeft(daemon ?? 'self', at));
}
/** The kernel's own estimate. */
function machineMemory({ proc }) {
    try {
        const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec((0,external_node_fs_namespaceObject.readFileSync)(`${proc}/meminfo`, 'utf8'))?.[1];
        return kilobytes === undefined ? (0,external_node_os_namespaceObject.totalmem)() : Number(kilobytes) * 1024;
    }
    catch {
        return (0,external_node_os_namespaceObject.totalmem)();
    }
}

;// CONCATENATED MODULE: ./build/agent/activation/stay.js
/** Of `post-activate`, and of all that has no limit of its own, in ms. */
const HOOK = 60_000;
/** A last question to the workers, which may go unanswered, and one to the port: see health.ts. In ms. */
const ANSWERS = 20_000;
/** Closing the door, PM2's polling and the launcher's own cleanup come on top of a drain, in ms. */
const MARGIN = 20_000;
/** @param releases on either side: workers of each may be the ones that stay, drain or boot */
function timesOf(releases) {
    const longest = (of) => Math.max(...releases.map(of));
    const observe = longest(({ observeMs }) => observeMs);
    const drained = longest(({ drainTimeoutMs }) => drainTimeoutMs) + MARGIN / 2;
    const drain = drained + MARGIN / 2;
    const boot = longest(({ health, observeMs }) => health.timeoutMs + observeMs);
    const heal = drain + longest(({ health }) => health.timeoutMs);
    const stay = boot + observe + ANSWERS + HOOK + heal;
    return { boot, heal, drain: drained, stay, listen: 2 * boot + HOOK, kill: stay + drain };
}

;// CONCATENATED MODULE: ./build/agent/pm2/daemon.js
/**
 * Which process is PM2's daemon: the one that has its socket. The pid file may name another: every daemon
 * writes it as it starts, and one that finds the socket taken keeps running, unused (5.4 to 7).
 */








/**
 * Returns the daemon's pid, or null where none runs. @throws Failure `pm2-foreign` when it belongs to another
 * user
 */
async function daemonPid(home) {
    const path = (0,external_node_path_namespaceObject.join)(home, 'rpc.sock');
    const before = new Set(endsOf(path).map(({ inode }) => inode));
    const connection = await reach(path);
    if (connection === null)
        return null;
    try {
        const holders = holdersOf(endsOf(path).filter(({ listens }) => listens));
        // After a socket file was replaced, two sockets listen under one name. A new connection tells them apart.
        const holder = holders.length > 1 ? await accepting(path, before) : holders[0];
        const pid = holder ?? namedIn(home);
        if (pid !== null)
            assertOwn(pid, home);
        return pid;
    }
    finally {
        connection.destroy();
    }
}
/** Returns the process that the pid file names, if it may be a daemon. */
function namedIn(home) {
    try {
        const pid = Number.parseInt((0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(home, 'pm2.pid'), 'utf8'), 10);
        return Number.isInteger(pid) && process_identity_startTimeOf(pid) !== null && mayBeDaemon(pid) ? pid : null;
    }
    catch {
        return null;
    }
}
/**
 * Whether a process was started as a daemon for this home, reachable or not. False for processes of other
 * users.
 */
function isDaemonFor(pid, home) {
    if (!/God Daemon|pm2[^ ]*\/lib\/Daemon\.js/.test(commandOf(pid)))
        return false;
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`PM2_HOME=${home}`);
    }
    catch {
        return false;
    }
}
/**
 * After a reboot the number in the file may belong to any process of any user. A daemon names itself `PM2
 * v7.0.4: God Daemon` (5 to 7), unless it has another title; then its executable tells.
 */
function mayBeDaemon(pid) {
    if (/pm2|god daemon/i.test(commandOf(pid)))
        return true;
    try {
        return /\/(?:node|bun)[^/]*$/.test((0,external_node_fs_namespaceObject.readlinkSync)(`/proc/${pid}/exe`));
    }
    catch {
        // Of another user's process only the name is visible.
        return false;
    }
}
function assertOwn(pid, home) {
    const { uid, username } = (0,external_node_os_namespaceObject.userInfo)();
    const owner = (0,external_node_fs_namespaceObject.statSync)(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? uid;
    if (owner === uid)
        return;
    throw server_failure('pm2-foreign', { home, owner, user: username, uid });
}
const NOBODY = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK']);
/**
 * Connects to the socket, and returns null where nobody listens. Also returns a connection that was refused for
 * another reason.
 */
function reach(path) {
    return new Promise((resolve) => {
        const socket = (0,external_node_net_namespaceObject.connect)(path);
        socket.once('connect', () => resolve(socket));
        socket.on('error', ({ code }) => resolve(NOBODY.has(code ?? '') ? null : socket));
    });
}
/** The flag `SO_ACCEPTCON` in /proc/net/unix. */
const LISTENS = 0x10000;
/** Returns the server's ends of a Unix socket: those that listen, and those of its connections. */
function endsOf(path) {
    let text;
    try {
        text = (0,external_node_fs_namespaceObject.readFileSync)('/proc/net/unix', 'utf8');
    }
    catch {
        return [];
    }
    return text.split('\n').flatMap((line) => {
        const [, flags = '', inode = '', bound = ''] = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (.*)$/.exec(line) ?? [];
        return isSame(bound, path) ? [{ inode, listens: (Number.parseInt(flags, 16) & LISTENS) !== 0 }] : [];
    });
}
/** The kernel has the path that the daemon was started with: the home may be reached through a link. */
function isSame(bound, path) {
    if (bound === path)
        return true;
    if (!bound.startsWith('/') || (0,external_node_path_namespaceObject.basename)(bound) !== (0,external_node_path_namespaceObject.basename)(path))
        return false;
    try {
        return (0,external_node_fs_namespaceObject.realpathSync)((0,external_node_path_namespaceObject.dirname)(bound)) === (0,external_node_fs_namespaceObject.realpathSync)((0,external_node_path_namespaceObject.dirname)(path));
    }
    catch {
        return false;
    }
}
/** Returns the processes that have these sockets open, as far as this user may see. */
function holdersOf(ends) {
    const wanted = new Set(ends.map(({ inode }) => `socket:[${inode}]`));
    return wanted.size === 0 ? [] : pids().filter((pid) => daemon_filesOf(pid).some((file) => wanted.has(file)));
}
function daemon_filesOf(pid) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(`/proc/${pid}/fd`).flatMap((name) => {
            try {
                return [(0,external_node_fs_namespaceObject.readlinkSync)(`/proc/${pid}/fd/${name}`)];
            }
            catch {
                return [];
            }
        });
    }
    catch {
        return [];
    }
}
/** How long a daemon may take to accept a connection, and how often to check, in ms. */
const daemon_ACCEPT = 1000;
const daemon_LOOK = 20;
/** Returns the process that has accepted a connection since. @param before inodes of the earlier ends */
async function accepting(path, before) {
    for (let waited = 0; waited < daemon_ACCEPT; waited += daemon_LOOK) {
        const [pid] = holdersOf(endsOf(path).filter(({ inode, listens }) => !listens && !before.has(inode)));
        if (pid !== undefined)
            return pid;
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(daemon_LOOK);
    }
    return undefined;
}

;// CONCATENATED MODULE: ./build/agent/pm2/worker-start.js
/**
 * What a worker starts with. PM2's daemon forks it, so it inherits the daemon's environment, folder, umask and
 * limits, whatever session started the daemon (PM2 5 to 7). A candidate must start in the same way.
 */




/**
 * @param base where the daemon will be started if none runs
 * @param kept what PM2 keeps of the app; null where it has none that a release could replace
 */
async function workerStart(base, pm2Home, kept) {
    const daemon = await daemonPid(pm2Home);
    const start = (daemon === null ? null : inherited(daemon)) ?? {
        node: process.execPath,
        cwd: base,
        env: {},
        limits: '',
    };
    // PM2 keeps the environment of the activation that first started the app, and merges it over the daemon's.
    const laidOver = kept === null ? { ...cleanEnvironment(), PM2_HOME: pm2Home } : environmentKept(kept);
    return { ...start, env: { ...start.env, ...laidOver } };
}
/**
 * PM2 sets the first after Node has started, the second is an option of the release that PM2 runs now, and a candidate
 * must not look like a worker.
 */
const NOT_KEPT = new Set([
    'NODE_OPTIONS',
    'UV_THREADPOOL_SIZE',
    'NODE_APP_INSTANCE',
    'pm_id',
]);
function environmentKept(definition) {
    return Object.fromEntries(Object.entries(definition).flatMap(([name, value]) => typeof value === 'string' && !NOT_KEPT.has(name) ? [[name, value]] : []));
}
/** Null where the daemon has just exited. */
function inherited(daemon) {
    const of = (name) => `/proc/${daemon}/${name}`;
    try {
        const node = (0,external_node_fs_namespaceObject.readlinkSync)(of('exe'));
        return {
            // A Node that was updated under a running daemon is gone.
            node: node.endsWith(' (deleted)') ? process.execPath : node,
            // The link itself: it may also lead into a folder that was removed.
            cwd: of('cwd'),
            env: environmentIn((0,external_node_fs_namespaceObject.readFileSync)(of('environ'), 'utf8')),
            limits: [
                ...umaskIn((0,external_node_fs_namespaceObject.readFileSync)(of('status'), 'utf8')),
                ...changedLimits((0,external_node_fs_namespaceObject.readFileSync)('/proc/self/limits', 'utf8'), (0,external_node_fs_namespaceObject.readFileSync)(of('limits'), 'utf8')),
            ].join('\n'),
        };
    }
    catch {
        return null;
    }
}
/** The channel to the process that started the daemon, which Node removes from the environment. */
const CHANNEL = /^NODE_CHANNEL_/;
function environmentIn(environ) {
    const pairs = environ.split('\0').map((pair) => {
        const at = pair.indexOf('=');
        return [pair.slice(0, at), pair.slice(at + 1)];
    });
    return Object.fromEntries(pairs.filter(([name]) => name !== '' && !CHANNEL.test(name)));
}
function umaskIn(status) {
    const umask = /^Umask:\s+([0-7]+)$/m.exec(status)?.[1];
    return umask === undefined ? [] : [`umask ${umask}`];
}
/** By the kernel's names: the letter of every shell's `ulimit`, and the bytes of its unit. */
const LIMITS = {
    'Max open files': ['n', 1],
    'Max address space': ['v', 1024],
    'Max data size': ['d', 1024],
    'Max stack size': ['s', 1024],
    'Max file size': ['f', 512],
    'Max core file size': ['c', 512],
};
/** A limit that this session may not raise stays as it is. */
function changedLimits(own, wanted) {
    const before = limitsIn(own);
    return [...limitsIn(wanted)].flatMap(([name, { soft, hard }]) => {
        const { soft: ownSoft, hard: ownHard } = before.get(name) ?? {};
        const [flag, unit] = LIMITS[name];
        const set = (kind, value) => `ulimit -${kind} -${flag} ${value === 'unlimited' ? value : Math.floor(Number(value) / unit)} 2>/dev/null || :`;
        return [...(soft === ownSoft ? [] : [set('S', soft)]), ...(hard === ownHard ? [] : [set('H', hard)])];
    });
}
function limitsIn(text) {
    const lines = [...text.matchAll(/^(Max [a-z ]+?) {2,}(\d+|unlimited) +(\d+|unlimited)/gm)];
    return new Map(lines.flatMap(([, name = '', soft = '', hard = '']) => name in LIMITS ? [[name, { soft, hard }]] : []));
}
/**
 * Returns `node-options` as arguments. A path that begins with `./` or `../` is relative to the app's folder:
 * Node would look for it in the folder where PM2's daemon was started.
 * @param release its folder, or the link to it
 * @param entry the release's server.js, relative to the release
 */
function nodeArguments(nodeOptions, release, entry) {
    return nodeOptions.map((word) => word.replace(/^(--?[\w-]+=)?(\.\.?(?:\/.*)?)$/s, (_, flag, path) => `${flag ?? ''}${(0,external_node_path_namespaceObject.join)(release, (0,external_node_path_namespaceObject.dirname)(entry), path)}`));
}

;// CONCATENATED MODULE: ./build/agent/activation/workers.js
/**
 * The app's workers: what PM2 keeps of them, and what each truly runs.
 *
 * Proof, not exit codes: a worker counts when PM2 lists its pid as online and the process itself, known by pid and start
 * time, says that it runs the release and has opened its door.
 */




/** What PM2 keeps for the app. The old workers stay and drain under these options, too. */
function pm2App(base, name, { runtime, entry }, { listen, kill }) {
    const layout = layoutOf(base);
    return {
        name,
        ...programOf(layout),
        options: {
            wait_ready: true,
            // The old workers serve for as long as this, whatever the new ones do: time to notice and to restore.
            listen_timeout: listen,
            kill_timeout: kill,
            max_memory_restart: runtime.maxMemoryBytes,
            node_args: nodeArguments(runtime.nodeOptions, layout.current, entry),
            UV_THREADPOOL_SIZE: runtime.env['UV_THREADPOOL_SIZE'] || null,
        },
    };
}
/** What PM2 starts, whatever the release. */
function programOf({ current }) {
    return { script: `${current}/${LAUNCHER}`, cwd: current };
}
/** Whether PM2 can bring these workers to a new release without a gap. */
function isOurs(process, app) {
    return process.mode === 'cluster_mode' && process.script === app.script && process.cwd === app.cwd;
}
async function lookAtWorkers({ layout, pm2, appName, }) {
    const [processes, records] = await Promise.all([pm2.list(appName), readWorkers(layout.workers)]);
    return match(processes, records);
}
/** Puts processes and records together. */
function match(processes, records) {
    const workers = records.filter(({ candidate }) => !candidate);
    const pids = new Set(processes.map(({ pid }) => pid));
    return {
        listed: byId(processes).map((process) => ({
            process,
            record: workers.find(({ pid }) => pid === process.pid) ?? null,
        })),
        unlisted: workers.filter(({ pid }) => !pids.has(pid)),
    };
}
function byId(processes) {
    return [...processes].sort((a, b) => a.id - b.id);
}
function toStates(workers) {
    return workers.map(({ process, record }) => ({
        pmId: String(process.id),
        pid: process.pid,
        status: process.status,
        release: record?.release ?? null,
        phase: record?.phase ?? null,
        restarts: process.restarts,
        memoryBytes: process.memoryBytes,
        cache: record?.cache ?? null,
        traffic: record?.traffic ?? null,
    }));
}

;// CONCATENATED MODULE: ./build/agent/activation/facts.js








/** @throws where the target cannot be read, or PM2 not asked */
async function gatherFacts(world, job, state) {
    const { request, appName } = job;
    const target = await world.goal(request.release);
    const current = await world.current();
    const seen = await world.look({});
    const processes = seen.listed.map(({ process }) => process);
    const noted = 'before' in state ? state.before : null;
    const resumed = state.at !== 'prepared';
    const found = await world.findReplaced();
    // What an interrupted activation has replaced is not there to be seen any more. One that went live is not interrupted.
    const isInterrupted = resumed || (replacesNothing(found) && !(await isVerified(world, current)));
    const replaced = (isInterrupted && (await world.readReplaced())) || found;
    const before = noted ?? (await beforeSwap(world, job, { current, resumed, replaced }));
    const { previous: back } = before;
    // A previous release that is damaged must not keep a good one from going live.
    const previous = back === null ? null : await world.goal(back).catch(() => null);
    const times = timesOf(previous === null ? [target.runtime] : [target.runtime, previous.runtime]);
    const app = pm2App(job.base, appName, target, times);
    const records = recordsIn(seen);
    // What an earlier process had asked for runs beside the old workers already, and has its memory.
    const there = resumed ? records.filter((record) => record.release === request.release).length : 0;
    const instances = world.instancesOf(target.runtime) - there;
    const entries = await world.entries();
    const others = records.filter(({ release, phase }) => release !== request.release && phase === 'open');
    const own = entries.filter(({ activation }) => activation === request.activation);
    return {
        target,
        previous,
        before,
        resumed,
        app,
        times,
        processes,
        together: mayRunTogether(processes, instances, await world.freeMemory()),
        foreign: processes.filter((process) => !isOurs(process, app)).length,
        replaced,
        orphans: describeOrphans(records),
        done: new Set(own.filter((entry) => entry.state === 'done').map(({ step }) => step)),
        canary: own.findLast((entry) => entry.canary !== null)?.canary?.pid ?? null,
        beforeTraffic: facts_shareOf(others, world.sinceBoot(), request.watchMs),
        beforeRestarts: restartsSince(entries, current, processes),
        lived: resumed ? null : lived(entries, current, processes, records),
    };
}
function facts_shareOf(records, now, ms) {
    const counts = records.flatMap(({ traffic }) => traffic ?? []);
    return counts.length === 0 ? null : toShare(sum(counts.map((traffic) => lately(traffic, now, ms))));
}
async function isVerified(world, release) {
    return release !== null && (await world.isVerified(release));
}
/** For an activation whose journal does not say: a new one, or one that version 0.1 began. */
async function beforeSwap(world, { request }, { current, resumed, replaced }) {
    const { release, replaces } = request;
    const live = resumed && current === release ? replaces : current;
    // `current` is somebody else's, and no worker of ours runs: what ours served once is not what serves.
    const isElsewhere = replaced.current !== null && !replaced.besideOurs;
    return { current: live, previous: isElsewhere ? null : await fallback(world, live, release) };
}
/**
 * The release to restore: the current one, also from itself, whose workers are then restarted. Where an activation was
 * interrupted `current` points at a release that was never shown to serve; then the last that was.
 */
async function fallback(world, live, target) {
    if (await isVerified(world, live))
        return live;
    const verified = await world.previousRelease(live, target);
    return verified ?? (live === target ? null : live);
}

;// CONCATENATED MODULE: ./build/agent/activation/swap.js
/** Everything up to the swap, and the swap itself. */






/** @throws only while nothing live has been touched, unless the rename itself fails */
async function prepareAndSwap(activation) {
    const { world, facts, job } = activation;
    const { before } = facts;
    const { kind, replaces } = job.request;
    if (replaces !== null && replaces !== before.current) {
        const current = before.current ?? 'No release';
        const cause = activation_failure('overtaken: replaced', { current, replaces, kind });
        if (kind === 'restore')
            return { at: 'superseded', before, cause };
        throw cause;
    }
    await prepare(activation);
    const moved = await moveNode(activation);
    await swap(activation).catch(async (error) => {
        // Nobody watches workers that have outlived their daemon: what ran before comes back under the new one.
        if (moved.length > 0)
            await world.putBack({ ...NOTHING, processes: moved }).catch(() => undefined);
        throw error;
    });
    return { at: 'swapped', before };
}
const NOTHING = { current: null, processes: [], besideOurs: false, addresses: [] };
/** @returns the app's processes that PM2 does not run any more */
async function moveNode(activation) {
    const { world, job, facts } = activation;
    // A preview touches nothing of the app, and what a rollback goes to was built for the Node that ran then.
    if (job.request.kind !== 'deploy' || facts.target.runtime.socket)
        return [];
    const moved = await world.moveNode();
    if (moved === null)
        return [];
    await world.journal.note('swap', moved);
    activation.facts = { ...(await gatherFacts(world, job, { at: 'prepared' })), orphans: moved };
    return facts.processes;
}
/** All that can be done beforehand: from the swap on every second counts, and the disk may be full. */
async function prepare(activation) {
    const { world, job, facts } = activation;
    const { target, previous, before, resumed, processes, foreign, replaced, orphans } = facts;
    const { release, runtime } = target;
    const { kind, said } = job.request;
    if (!resumed) {
        await assertWanted(activation);
        if (kind === 'deploy' && before.current !== null && before.current !== release) {
            await world.assertNotOvertaken(before.current);
        }
    }
    // A release that has swapped may listen there already.
    await world.assertClaims(runtime, resumed ? null : said);
    const serving = (processes.length > 0 || orphans !== null) && foreign === 0;
    if (serving && previous !== null && !resumed)
        assertMayMove(previous.runtime, runtime);
    await hook(activation, 'pre-activate');
    await world.journal.note('swap', await world.linkOldStatic(release, []));
    await world.preparePoint(release);
    if (previous !== null && previous.release !== release)
        await world.preparePoint(previous.release);
    if (!resumed) {
        // Workers that stay for an activation that died need not any more: PM2 has long done what that had asked for.
        await world.notify(null);
        await untilReplaced(activation);
    }
    if (replaced.current !== null) {
        await world.journal.note('swap', `current points at "${replaced.current}", which Gapless did not deploy`);
    }
    await tellWorkers(activation, 'swap');
}
async function swap(activation) {
    const { world, facts } = activation;
    const { target, before, resumed, replaced } = facts;
    const { journal } = world;
    if (!resumed)
        await assertWanted(activation);
    await verifyLauncher(activation);
    await world.writeReplaced(replaced);
    try {
        // Whoever resumes this activation cannot read from `current` any more what it was.
        await journal.begin('swap', describeSwap(activation), { before });
        // The rename of the link is the one moment that counts: before it nothing live has changed.
        await world.point(target.release);
    }
    catch (error) {
        await journal.failed('swap', error.message).catch(() => undefined);
        const untouched = !resumed && (await world.current().catch(() => before.current)) === before.current;
        if (untouched)
            await world.forgetReplaced().catch(() => undefined);
        throw error;
    }
    journal.bestEffort();
    await journal.done('swap', describeSwap(activation));
}
/** @throws Failure `withdrawn` when the run was cancelled */
async function assertWanted({ world }) {
    if (await world.isWithdrawn())
        throw withdrawn();
}
/** What has to come back, or has swapped already, is repaired where it can be. @throws Failure `release-damaged` */
async function verifyLauncher({ world, job, facts }) {
    const { release } = facts.target;
    if (job.request.kind !== 'restore' && !facts.resumed)
        return world.assertLauncher(release);
    const repaired = await world.repairLauncher(release);
    if (repaired !== null)
        await world.journal.note('swap', repaired);
}
function describeSwap({ facts: { target, replaced, lived } }) {
    const detail = [`current -> releases/${target.release}`, ...(lived === null ? [] : [lived])].join('; ');
    return replaced.current === null
        ? detail
        : `${detail}; it replaces current -> ${replaced.current}, which is put back if this deploy fails`;
}

;// CONCATENATED MODULE: ./build/agent/activation/go-live.js
/** From the swap to a release that is live: reload → health-check → post-activate. */










/** @throws where the release is not live: then the previous one has to be restored */
async function goLive(activation) {
    const { world, facts } = activation;
    const { target, resumed } = facts;
    const { health, observeMs } = target.runtime;
    if (resumed) {
        await prepare(activation);
        await swap(activation);
    }
    activation.during = 'reload';
    const workers = await step(activation, 'reload', describeReload(activation), () => reload(activation));
    activation.during = 'health-check';
    const observed = `${health.path}, observed for ${formatDuration(observeMs)}`;
    await step(activation, 'health-check', observed, async () => {
        await stayHealthy(activation, workers, observeMs);
        // Whoever took no lock of ours may have come to the same port meanwhile.
        await world.assertNoOtherDoor(target.runtime);
        await hook(activation, 'post-activate');
        await standAlone(activation);
        await stayHealthy(activation, workers, 0).catch((error) => {
            const failure = Failure.from(error).inContext('after the previous release had stopped serving');
            throw failure.reworded(failure.message, { remedy: NEEDS_OTHERS });
        });
    });
    if (activation.job.request.watchMs > 0)
        return { at: 'watching', before: facts.before, probation: null };
    return { at: 'ended', as: 'live', cause: null };
}
/** Brings every worker to the target. What was started in another way is removed first: that is the gap. */
async function reload(activation) {
    const { world, facts } = activation;
    const { target, app, together, foreign, processes } = facts;
    const { release, runtime } = target;
    if (foreign > 0)
        for (const { id, pid } of processes)
            await world.act({ do: 'remove', id, pid });
    const limitMs = runtime.health.timeoutMs + runtime.observeMs;
    const instances = world.instancesOf(runtime);
    return serve(activation, { app, release, instances, together, limitMs, moment: 'swap' });
}
/** Watches workers of the target for a time: the same processes, each healthy. */
async function stayHealthy({ world, facts: { target } }, workers, observeMs) {
    const { release, runtime } = target;
    const pids = workers.map(({ process: { pid } }) => pid);
    await converge(world, toStayHealthy({ release, address: formatAddress(runtime) }, pids, observeMs), {
        limitMs: Infinity,
        pauseMs: Math.min(runtime.health.intervalMs, 500),
        ask: { health: target },
    });
}
/** Lets the workers of other releases leave: from here on every answer is the new release's. */
async function standAlone({ world, facts: { target, times } }) {
    const { release, runtime } = target;
    await bestEffort(world, world.notify(null), 'Could not tell the old workers to leave');
    const leaving = { check: runtime.health, drainMs: times.drain };
    const decide = toScaleDown(release, world.instancesOf(runtime), leaving);
    const scaled = converge(world, decide, { limitMs: DOORS_CLOSE });
    const alone = scaled.then(async ({ seen }) => {
        if (recordsIn(seen).some((record) => record.release !== release && record.phase === 'open')) {
            await world.journal.note('health-check', 'Workers of another release still take requests.');
        }
    });
    await bestEffort(world, alone, 'Could not remove surplus workers');
}
function describeReload({ world, facts }) {
    const { target, foreign, processes, before, replaced, together, orphans } = facts;
    const remarks = [`${world.instancesOf(target.runtime)} workers`];
    if (foreign > 0) {
        remarks.push(`started again, with a short gap: Gapless did not start ${foreign} of the ${processes.length} before`);
        const { addresses } = replaced;
        if (addresses.length > 0)
            remarks.push(`before, the app listened on ${listOf(addresses)}`);
    }
    if (orphans !== null)
        remarks.push(orphans);
    else if (processes.length === 0 && before.previous !== null)
        remarks.push('PM2 did not list the app any more');
    if (!together)
        remarks.push('one after the other, because memory is short');
    return remarks.join('; ');
}

;// CONCATENATED MODULE: ./build/agent/activation/conclude.js



/** From here on nothing takes the release back. Never throws. */
async function conclude(activation, status, cause) {
    const { world, job, facts } = activation;
    const { before, previous, target } = facts;
    const { release } = target;
    const { activation: id, kind, replaces } = job.request;
    if (status === 'live') {
        const serving = { activation: id, kind, replaced: replaces ?? before.current };
        await bestEffort(world, world.markServing(release, serving), 'Could not mark the release as verified');
    }
    const wasLive = (await world.entries().catch(() => [])).some(({ activation: of, probation }) => of === id && probation !== null);
    if (status === 'restored' && wasLive && previous !== null) {
        const serving = { activation: id, kind: 'restore', replaced: release };
        await bestEffort(world, world.markServing(previous.release, serving), 'Could not mark the release as left');
    }
    if (status === 'live') {
        await bestEffort(world, world.savePm2(), 'PM2 could not save its process list for the next boot');
    }
    const workers = await conclude_listed(world);
    const live = { live: release, restored: previous?.release ?? null, down: servedRelease(workers) }[status];
    const rollsBackTo = status === 'live' ? await world.previousRelease(release).catch(() => null) : null;
    return settled({
        status,
        live,
        previous: before.current,
        rollsBackTo,
        failure: cause && toRecord(cause),
        workers: toStates(workers),
        notFound: status === 'live' ? await world.notFound(release) : '',
        watch: null,
    });
}
/** The current release is another activation's: nothing is touched. */
async function leaveAsIs(world, cause) {
    const current = await world.current();
    const workers = await conclude_listed(world);
    const served = servedRelease(workers);
    const verified = served !== null && (await world.isVerified(served));
    return settled({
        status: served === current && verified ? 'restored' : 'down',
        live: served,
        previous: current,
        rollsBackTo: null,
        failure: cause && toRecord(cause),
        workers: toStates(workers),
        notFound: '',
        watch: null,
    });
}
function conclude_listed(world) {
    return world.look({}).then((seen) => seen.listed, () => []);
}
function settled(verdict) {
    // The journal is no place for counts that are long.
    const workers = verdict.workers.map((worker) => ({ ...worker, traffic: null }));
    return { at: 'settled', verdict: { ...verdict, workers }, known: false };
}

;// CONCATENATED MODULE: ./build/agent/activation/watch.js
/** The release is live, and stays on probation: real traffic says whether it may stay. */








/** Between two looks, in ms. */
const watch_PAUSE = 1000;
/** Between two lines, in ms. */
const LINES = 10_000;
/** From here on a share of failed answers is worth a warning, and p95 in ms. */
const BAD = 0.01;
const SLOW = 1000;
const SLOWER = 3;
/**
 * Watches the release without the app's lock, so that whoever comes next need not wait: another activation ends this.
 * @throws Failure `worker-died`, `traffic-worse` once it has the lock again, to restore the previous release
 */
async function watch(activation, known) {
    const { world, job, facts } = activation;
    const { activation: id, watchMs } = job.request;
    const { release } = facts.target;
    const probation = known ?? (await watch_begin(activation));
    activation.during = 'watch';
    const detail = `on probation for ${formatDuration(watchMs)}`;
    await world.journal.begin('watch', detail, { before: facts.before, probation });
    await world.unlock();
    const seen = new Map();
    const soFar = () => sum([...seen.values()]);
    let [lastLook, told] = [0, world.now()];
    for (;;) {
        await world.sleep(watch_PAUSE);
        const records = await world.records();
        // Before anything is made of what the workers do: it may be the doing of the next activation.
        const entries = await world.entries();
        const settled = settledIn(entries, activation);
        if (settled?.at === 'settled')
            return settled;
        // Another process of this activation restores, or did when it died.
        if (settled !== null)
            return (await retake(activation)) ?? settled;
        if (endsProbation(entries, id))
            return watch_end(probation, soFar(), 'another activation began');
        const now = world.sinceBoot();
        if (now < probation.since)
            return watch_end(probation, soFar(), 'the server was started again');
        if (now - probation.since >= watchMs) {
            const settled = await retake(activation);
            if (settled !== null)
                return settled;
            await world.journal.done('watch', lineOf(toShare(soFar()), probation));
            return watch_end(probation, soFar(), '');
        }
        for (const { pid, release: of, traffic } of records)
            if (of === release && traffic !== null)
                seen.set(pid, tallyOf(traffic));
        const all = soFar();
        const judgement = judge({
            own: all,
            before: probation.before,
            restarts: probation.pids.filter((pid) => !isOpen(records, pid)).length,
            restartsBefore: probation.restartsBefore,
            lastLook,
        });
        lastLook = Math.max(lastLook, lookAt(all.answered));
        if (judgement !== 'well') {
            const problem = objection(judgement, release, all, probation);
            const settled = await retake(activation);
            if (settled !== null)
                return settled;
            // A release that another activation is about to replace is that one's matter.
            if (endsProbation(await world.entries(), id))
                return watch_end(probation, soFar(), 'another activation began');
            await world.journal.failed('watch', problem.message);
            // PM2's daemon may have died since.
            await world.connect();
            throw problem;
        }
        if (world.now() - told >= LINES) {
            told = world.now();
            await world.journal.note('watch', lineOf(toShare(all), probation));
        }
    }
}
/** Takes the lock again. @returns how another process of this activation has ended it meanwhile; null: none has */
async function retake(activation) {
    const { world } = activation;
    // Whoever holds it for longer has begun, and ends the probation.
    await world.lock().catch(() => undefined);
    return settledIn(await world.entries(), activation);
}
function settledIn(entries, { job, facts }) {
    const state = stateOf(entries, job.request.activation, false);
    if (state.at === 'settled')
        return state;
    // It restores already: only the verdict of that counts.
    return state.at === 'restoring' ? { ...state, before: facts.before } : null;
}
/** From here on the release counts as live. */
async function watch_begin(activation) {
    const { world, facts } = activation;
    const state = await conclude(activation, 'live', null);
    if (state.at !== 'settled')
        throw new Error('the release is not live');
    const { verdict } = state;
    return {
        since: world.sinceBoot(),
        before: facts.previous === null ? null : facts.beforeTraffic,
        restartsBefore: facts.beforeRestarts,
        pids: verdict.workers
            .filter(({ release, phase }) => release === facts.target.release && phase === 'open')
            .map(({ pid }) => pid),
        verdict,
    };
}
function isOpen(records, pid) {
    return records.some((record) => record.pid === pid && record.phase === 'open');
}
function watch_end({ verdict, before }, all, why) {
    const own = toShare(all);
    const line = [lineOf(own, { before }), ...(why === '' ? [] : [`The watch ended early: ${why}`])].join('. ');
    const watched = { ...verdict, watch: { open: false, line, warnings: warningsOf(own, before) } };
    return { at: 'settled', verdict: watched, known: false };
}
function warningsOf(own, before) {
    if (before === null)
        return [];
    const warnings = [];
    if (own.answered >= FEWEST && shareOf(own) >= BAD) {
        const shares = `${inWords(own)}; the release before: ${inWords(before)}`;
        warnings.push(`The release stays, but answers fail: ${shares}.`);
    }
    if (own.p95 !== null && before.p95 !== null && own.p95 > SLOW && own.p95 > SLOWER * before.p95) {
        const times = `${formatDuration(own.p95)}, and before ${formatDuration(before.p95)}`;
        warnings.push(`The release stays, but is slow: 95% of its answers took up to ${times}.`);
    }
    return warnings;
}
function lineOf(own, { before }) {
    return `${inWords(own)}${before === null ? '' : `; the release before: ${inWords(before)}`}`;
}
function objection(judgement, release, own, { before }) {
    const worst = worstPaths(own).map(([path, times]) => `${times} × ${path}`);
    const evidence = [
        `new: ${own.failed} of ${own.answered} answers failed (${percent(own)})`,
        ...(before === null
            ? []
            : [`before: ${before.failed} of ${before.answered} answers failed (${percent(before)})`]),
        ...(worst.length === 0 ? [] : ['paths that failed most:', ...worst]),
    ].join('\n');
    if (judgement === 'exited')
        return activation_failure('worker-died: canary', { release }, { evidence });
    if (judgement === 'restarted')
        return activation_failure('worker-died: watched', { release }, { evidence });
    const { answered, failed } = before ?? { answered: 0, failed: 0 };
    const values = {
        release,
        answered: own.answered,
        failed: own.failed,
        share: percent(own),
        answeredBefore: answered,
        failedBefore: failed,
        shareBefore: percent({ answered, failed }),
    };
    return activation_failure('traffic-worse', values, { evidence });
}

;// CONCATENATED MODULE: ./build/agent/activation/canary.js
/**
 * The canary: one worker serves the new release beside those of the release before, and real traffic compares the two.
 * `current` points at the release before meanwhile: whatever PM2 or a reboot starts is that. The lock is kept, and
 * whoever waits for it ends the canary: half a rollout is nothing that another activation could begin from.
 */












/** Whether a canary comes next. Where it was asked for and cannot be, the journal says why. */
async function wantsCanary({ world, job, facts }) {
    const { canaryMs, kind } = job.request;
    if (canaryMs === 0 || kind !== 'deploy' || facts.done.has('canary'))
        return false;
    const reason = hindrance(facts);
    if (reason !== null)
        await world.journal.done('canary', `skipped: ${reason}`);
    return reason === null;
}
function hindrance({ before, previous, target, foreign, processes }) {
    if (previous === null || previous.release !== before.current || previous.release === target.release)
        return 'no verified release serves that it could be compared with';
    if (foreign > 0 || processes.length === 0)
        return 'PM2 has no worker that Gapless started';
    const addresses = [previous, target].map(({ runtime }) => formatAddress(runtime));
    return addresses[0] === addresses[1] ? null : 'the release listens on another address';
}
/**
 * @param known the canary that an earlier process has begun
 * @throws Failure where the release before has to be restored
 */
async function canary_canary(activation, known) {
    activation.during = 'canary';
    return serveBeside(activation, known).catch(async (error) => {
        await activation.world.journal.failed('canary', error.message);
        throw error;
    });
}
async function serveBeside(activation, known) {
    const { world, job, facts } = activation;
    const { activation: id, canaryMs } = job.request;
    const { before, target, previous } = facts;
    const { release } = target;
    const trial = known ?? (await start(activation));
    const detail = `one worker serves it for ${formatDuration(canaryMs)}`;
    await world.journal.begin('canary', detail, { before, canary: trial });
    if (previous === null)
        throw activation_failure('restore-failed', { problem: 'the release before is damaged' });
    await world.point(previous.release);
    await tellWorkers(activation, 'make-room');
    const own = new Map();
    const others = new Map();
    let [lastLook, told] = [0, world.now()];
    for (;;) {
        await world.sleep(watch_PAUSE);
        const records = await world.records();
        if (isAwaited(await world.entries(), id))
            throw activation_failure('overtaken: canary', { release });
        if (await world.isWithdrawn())
            throw server_failure('withdrawn: canary', { release });
        for (const record of records)
            canary_count(record, trial, own, others);
        const [mine, theirs] = [sum([...own.values()]), sum([...others.values()])];
        const than = { before: toShare(theirs) };
        if (!records.some(({ pid, phase }) => pid === trial.pid && phase === 'open'))
            throw objection('exited', release, mine, than);
        const seen = { own: mine, before: theirs, restarts: 0, restartsBefore: 0, lastLook };
        if (judge(seen) === 'worse')
            throw objection('worse', release, mine, than);
        lastLook = Math.max(lastLook, lookAt(mine.answered));
        const line = lineOf(toShare(mine), than);
        if (world.sinceBoot() - trial.since >= canaryMs) {
            const few = mine.answered < FEWEST ? ', too few to compare' : '';
            await world.journal.done('canary', `${line}${few}`);
            return { at: 'swapped', before };
        }
        if (world.now() - told >= LINES) {
            told = world.now();
            await world.journal.note('canary', line);
        }
    }
}
/** Brings the last worker to the target, or one more where there is only one. */
async function start(activation) {
    const { world, facts } = activation;
    const { target, app, resumed } = facts;
    const { release, runtime } = target;
    if (resumed) {
        await prepare(activation);
        await swap(activation);
    }
    await world.journal.note('canary', 'a worker starts');
    const place = Math.max(1, (await world.list()).length - 1);
    const limitMs = runtime.health.timeoutMs + runtime.observeMs;
    const turn = { app, release, first: place, instances: place + 1, together: true, limitMs };
    const workers = await serve(activation, { ...turn, moment: 'swap' });
    await stayHealthy(activation, workers, runtime.observeMs);
    const others = (await world.records()).flatMap(({ pid, release: of, traffic }) => {
        if (of === release || traffic === null)
            return [];
        const { answered, failed } = tallyOf(traffic);
        return [{ pid, answered, failed }];
    });
    return { release, since: world.sinceBoot(), pid: workers[0].process.pid, others };
}
/** Counts what a worker has answered; of the release before, since the canary began. */
function canary_count({ pid, release, traffic }, canary, own, others) {
    if (traffic === null)
        return;
    const tally = tallyOf(traffic);
    if (release === canary.release)
        return void own.set(pid, tally);
    const { answered, failed } = canary.others.find((other) => other.pid === pid) ?? { answered: 0, failed: 0 };
    others.set(pid, { ...tally, answered: tally.answered - answered, failed: tally.failed - failed });
}

;// CONCATENATED MODULE: external "node:module"
const external_node_module_namespaceObject = require("node:module");
;// CONCATENATED MODULE: ./build/common/timeout.js
/** Settles as `answer` does, or rejects with the error of `late`. @param timeoutMs from now on */
function withTimeout(answer, timeoutMs, late) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(late()), timeoutMs);
        answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
}
/** Resolves after `ms`. By the global timer, which a simulation replaces. */
function sleep(ms) {
    return new Promise((resolve) => void setTimeout(resolve, ms));
}

;// CONCATENATED MODULE: ./build/agent/pm2/daemon-start.js
/**
 * Starts PM2's daemon once at a time. Two PM2 clients that look at the same moment start one daemon each, and
 * the second never answers its client (5.4 to 7).
 */









/** Longer than another agent holds the lock, in ms. */
const LOCK_TIMEOUT = 90_000;
/** A daemon without a socket after this time will not get one, in ms. */
const START = 10_000;
const daemon_start_LOOK = 100;
/** Calls `act`, which may start the daemon, while no other agent does. */
async function startingAlone(home, act) {
    const lock = await lockOf(home);
    try {
        await untilOthersStarted(home);
        return await act();
    }
    finally {
        await lock?.release().catch(() => undefined);
    }
}
async function lockOf(home) {
    const directory = (0,external_node_path_namespaceObject.join)(home, 'gapless-lock');
    try {
        return await lockFolder(directory, 'a start of the PM2 daemon', LOCK_TIMEOUT);
    }
    catch (error) {
        if (Failure.from(error).code === 'locked') {
            throw server_failure('pm2-failed: starting', { home });
        }
        // On a full disk an app that is down matters more than a second daemon.
        return null;
    }
}
/** Another tool may be starting a daemon, such as `pm2 resurrect` after a reboot. */
async function untilOthersStarted(home) {
    const isStarting = (pid) => isDaemonFor(pid, home) && ageOf(process_identity_startTimeOf(pid) ?? '0') < START;
    while ((await daemonPid(home)) === null && pids().some(isStarting))
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(daemon_start_LOOK);
}
/**
 * Waits for PM2 to connect.
 * @throws Failure `pm2-failed` when PM2 started a daemon although another daemon has the socket; kills the new
 * one
 */
async function unlessMute(home, connected) {
    let over = false;
    const watch = async () => {
        while (!over) {
            await endMute(home);
            await (0,external_node_timers_promises_namespaceObject.setTimeout)(daemon_start_LOOK);
        }
    };
    try {
        await Promise.race([connected, watch()]);
    }
    finally {
        over = true;
    }
    await endMute(home);
}
async function endMute(home) {
    const own = withDescendants([process.pid]).filter((pid) => isDaemonFor(pid, home));
    const holder = own.length === 0 ? null : await daemonPid(home);
    const mute = holder === null ? [] : own.filter((pid) => pid !== holder);
    if (mute.length === 0)
        return;
    // SIGTERM would make it remove the other daemon's pid file. The next try would mistake a daemon that is still exiting
    // for another.
    await kill(mute);
    throw server_failure('pm2-failed: second daemon', { daemon: String(holder) });
}
/** `pm2 kill`, systemd and others use the pid file. */
async function mendPidFile(home, daemon) {
    if (namedIn(home) === daemon)
        return;
    await writeFileAtomic((0,external_node_path_namespaceObject.join)(home, 'pm2.pid'), String(daemon), 0o644).catch(() => undefined);
}

;// CONCATENATED MODULE: ./build/agent/pm2/client.js
/**
 * PM2 through the installed package's own client, not its command line: the commands exit with 0 whatever
 * happens (5, 6, 7), reload two workers at a time, and take a second each.
 */












function pm2Home() {
    return process.env['PM2_HOME'] ?? (0,external_node_path_namespaceObject.join)((0,external_node_os_namespaceObject.homedir)(), '.pm2');
}
/** Connects to the user's daemon. @throws Failure `pm2-failed`, `pm2-foreign` */
async function connectPm2(installed, home, { mayStart } = { mayStart: true }) {
    // PM2 makes its sockets writable for the user's group (0775, 5.4 to 7), and whoever may write there
    // controls the daemon. An existing folder may be shared on purpose.
    (0,external_node_fs_namespaceObject.mkdirSync)(home, { recursive: true, mode: 0o700 });
    // PM2 reads this when it is loaded.
    process.env['PM2_HOME'] = home;
    const client = (0,external_node_module_namespaceObject.createRequire)((0,external_node_path_namespaceObject.join)(installed.path, 'package.json'))(installed.path);
    const attach = async () => {
        for (let tries = 1;; tries += 1) {
            try {
                if (!mayStart && (await daemonPid(home)) === null)
                    throw noDaemon(home);
                const connected = promised('connect', (done) => client.connect(done));
                const late = () => server_failure('pm2-failed: no answer');
                await unlessMute(home, withTimeout(connected, CONNECT_TIMEOUT, late));
                const pid = await daemonPid(home);
                // A dying daemon still accepts connections, and never answers.
                if (pid === null)
                    throw noDaemon(home);
                if (mayStart)
                    await mendPidFile(home, pid);
                return { pid, startTime: process_identity_startTimeOf(pid) ?? '' };
            }
            catch (error) {
                if (tries === CONNECT_TRIES)
                    throw error;
                client.disconnect();
            }
        }
    };
    const connect = () => (mayStart ? startingAlone(home, attach) : attach());
    let daemon = await connect();
    const lives = () => isRunning(daemon.pid, daemon.startTime);
    /** A daemon that dies takes all workers with it and never answers: the next call starts another. */
    let reconnecting;
    const reconnect = async () => {
        client.disconnect();
        daemon = await connect();
    };
    /** @param patience how long the daemon may take for the request, in ms */
    const ask = async (what, patience, call) => {
        if (reconnecting !== undefined || !lives()) {
            // Once for all concurrent requests, or each would start a daemon.
            reconnecting ??= reconnect().finally(() => (reconnecting = undefined));
            await reconnecting;
        }
        const answer = whileItLives(promised(what, call), lives);
        return withTimeout(answer, patience, () => isStuck(what, patience, daemon.pid));
    };
    const remote = (method, parameters, patience = client_PATIENCE) => ask(method, patience, (done) => client.Client.executeRemote(method, parameters, done));
    /** Requests that start or stop workers take as long as the timeouts of the options allow. */
    let longest = 0;
    const slow = (...options) => {
        longest = Math.max(longest, ...options.map(timeouts));
        return longest + client_PATIENCE;
    };
    const environments = new Map();
    const conf = (id, options) => ({
        id,
        env: { current_conf: toConf(options, environments.get(id)) },
    });
    const all = async () => {
        const processes = await remote('getMonitorData', {});
        if (!Array.isArray(processes))
            throw server_failure('pm2-failed: no list');
        const found = processes.flatMap((raw) => raw?.pm2_env ? [toProcess(raw)] : []);
        for (const { id, definition } of found)
            environments.set(id, definition['env']);
        return found;
    };
    return {
        all,
        async program() {
            const { argv } = (await remote('getReport', {}));
            return typeof argv?.[1] === 'string' ? argv[1] : null;
        },
        async list(name) {
            const found = (await all()).filter((process) => process.name === name);
            slow(...found.map(({ definition }) => definition));
            return found;
        },
        async start({ name, script, cwd, options }) {
            const { max_memory_restart, node_args, UV_THREADPOOL_SIZE, ...rest } = options;
            await ask('start', slow(options), (done) => client.start({
                name,
                // PM2 takes a script with a space in it for a command line, and hands it to bash (seen in 5.4 to
                // 7.0.4).
                script: (0,external_node_path_namespaceObject.relative)(cwd, script),
                cwd,
                ...rest,
                node_args: [...node_args],
                ...(max_memory_restart === null ? {} : { max_memory_restart }),
                exec_mode: 'cluster',
                instances: 1,
                // Looking for git in a release's folder is useless and costs a process (PM2's `vizion`).
                vizion: false,
                // When PM2 starts an app, it takes variables from nowhere else (5.4 to 7).
                env: UV_THREADPOOL_SIZE === null ? {} : { UV_THREADPOOL_SIZE },
            }, done));
        },
        duplicate: async (id) => void (await remote('duplicateProcessId', id, slow())),
        reload: async (id, options) => void (await remote('reloadProcessId', conf(id, options), slow(options))),
        // Signal 0 reaches nobody: the answer tells whether PM2 knows the process (5.4 to 7 omit it from their list).
        isReplacing: (id) => remote('sendSignalToProcessId', { process_id: `_old_${id}`, signal: 0 }).then(() => true, (error) => {
            const { cause } = error;
            // Only PM2's own answer tells.
            if (cause === undefined)
                throw error;
            return !/id unknown/.test(messageOf(cause));
        }),
        restart: async (id, options) => void (await remote('restartProcessId', conf(id, options), slow(options))),
        stop: async (id) => void (await remote('stopProcessId', id, slow())),
        remove: async (id) => void (await remote('deleteProcessId', id, slow())),
        revive: async ({ definition }) => {
            const { instances: _, pm_id: __, ...rest } = definition;
            await remote('prepare', rest, slow(definition));
        },
        async save() {
            const processes = (await remote('getMonitorData', {}));
            const dump = processes.flatMap(({ pm2_env = {} }) => {
                const { instances: _, pm_id: __, prev_restart_delay: ___, ...rest } = pm2_env;
                // A stopping process would be started at the next boot: PM2 skips only `stopped` (5.4 to 7).
                return rest['pmx_module'] || rest['status'] === 'stopping' ? [] : [rest];
            });
            if (dump.length === 0)
                throw server_failure('pm2-failed: nothing to save');
            await writeFileAtomic((0,external_node_path_namespaceObject.join)(home, 'dump.pm2'), JSON.stringify(dump, null, 2), 0o600);
        },
        close: () => client.disconnect(),
    };
}
/** Whether PM2 started the process with these options for the process itself. */
function runsUnder({ definition }, { node_args, max_memory_restart, UV_THREADPOOL_SIZE }) {
    const { node_args: kept = [], max_memory_restart: limit = null, UV_THREADPOOL_SIZE: threads = null, } = definition;
    const isSame = limit === max_memory_restart && threads === UV_THREADPOOL_SIZE;
    return isSame && JSON.stringify(kept) === JSON.stringify(node_args);
}
/**
 * PM2 removes an option whose new value is the text "null" (`Utility.extendMix`, seen in 5.4 to 7).
 * @param env the variables that the app was started with, as far as they are known: PM2 lays them over its options
 */
function toConf(options, env = {}) {
    const { UV_THREADPOOL_SIZE: outdated, ...others } = env;
    return {
        ...options,
        max_memory_restart: options.max_memory_restart ?? 'null',
        UV_THREADPOOL_SIZE: options.UV_THREADPOOL_SIZE ?? 'null',
        ...(outdated === undefined ? {} : { env: others }),
    };
}
const client_LOOK = 500;
/** A daemon takes a second or two to start, in ms. */
const CONNECT_TIMEOUT = 20_000;
const CONNECT_TRIES = 3;
/** An idle daemon answers at once, and a busy one within this, in ms. */
const client_PATIENCE = 30_000;
/**
 * How long PM2 may wait for a worker to be ready, and then for another to drain, in ms. Its own defaults are
 * shorter.
 */
function timeouts({ listen_timeout, kill_timeout }) {
    // In other people's processes it may be anything; Node takes no timer above 2^31 ms.
    const number = (value) => (typeof value === 'number' && value > 0 ? Math.min(value, 2 ** 29) : 0);
    return number(listen_timeout) + number(kill_timeout);
}
function noDaemon(home) {
    return server_failure('pm2-failed: no daemon', { home });
}
/** A daemon that is stopped or in an endless loop would block an activation, and with it its lock. */
function isStuck(what, patience, daemon) {
    return server_failure('pm2-failed: stuck', { daemon, request: what, limit: formatLimit(patience) });
}
/** Settles as `answer` does, or rejects once `lives` returns false: a dead daemon never answers. */
function whileItLives(answer, lives) {
    return new Promise((resolve, reject) => {
        const timer = setInterval(() => {
            if (lives())
                return;
            clearInterval(timer);
            reject(server_failure('pm2-failed: died'));
        }, client_LOOK);
        answer.then(resolve, reject).finally(() => clearInterval(timer));
    });
}
function promised(what, call) {
    return new Promise((resolve, reject) => {
        call((error, result) => {
            if (error === null || error === undefined)
                resolve(result);
            else
                reject(server_failure('pm2-failed', { request: what, problem: messageOf(error) }, { cause: error }));
        });
    });
}
function messageOf(error) {
    const source = Array.isArray(error) ? error[0] : error;
    if (source instanceof Error)
        return source.message;
    const { message, msg } = (source ?? {});
    return String(message ?? msg ?? source);
}
function toProcess(raw) {
    const env = raw.pm2_env ?? {};
    const text = (name) => (typeof env[name] === 'string' ? env[name] : '');
    // A value of another type may have a conversion of its own, which may throw.
    const number = (value) => typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN;
    return {
        id: number(raw.pm_id ?? env['pm_id']),
        name: text('name'),
        pid: raw.pid ?? 0,
        status: text('status') || 'unknown',
        restarts: number(env['restart_time'] ?? 0),
        memoryBytes: raw.monit?.memory ?? 0,
        script: text('pm_exec_path'),
        cwd: text('pm_cwd'),
        mode: text('exec_mode'),
        errorLog: text('pm_err_log_path'),
        outLog: text('pm_out_log_path'),
        definition: env,
    };
}

;// CONCATENATED MODULE: ./build/agent/activation/restore.js
/** Puts the previous release back in its place, and shows that it serves. */











const nothingToRestore = 'no previous release';
/** @throws Failure with both reasons, where nothing is known to serve */
async function restore(activation, cause) {
    const { world, facts } = activation;
    const { previous, before } = facts;
    const { journal } = world;
    const detail = previous === null ? nothingToRestore : `restored ${previous.release}`;
    journal.bestEffort();
    // Whoever resumes this activation must not go forward again.
    await journal.begin('rollback', detail, { cause: toRecord(cause), before });
    // First of all: whatever PM2 starts from now on is the previous release.
    const problem = previous === null ? null : await pointBack(activation, previous);
    const failure = await withEvidence(activation, cause);
    try {
        if (problem !== null)
            throw problem;
        await tellWorkers(activation, 'restore').catch(() => undefined);
        if (previous === null) {
            await journal.done('rollback', await stopForGood(activation));
            return { at: 'ended', as: 'down', cause: failure };
        }
        await restoreUnderAnyDaemon(activation, previous);
        await journal.done('rollback', detail);
        return { at: 'ended', as: 'restored', cause: failure };
    }
    catch (error) {
        const { message } = world.toFailure(error);
        await journal.failed('rollback', message);
        throw failure.reworded(`${failure.message} Then: ${message}`, {
            remedy: activation_texts['restore-failed'].remedy,
        });
    }
}
/** @returns why it could not; null where it did */
async function pointBack({ world }, { release }) {
    // A launcher that cannot be repaired is no reason to stay with a release that fails.
    const launcher = await world.repairLauncher(release).catch((error) => error.message);
    const problem = await world.point(release).then(() => null, (error) => error);
    if (launcher !== null)
        await world.journal.note('rollback', launcher);
    return problem;
}
/**
 * Restores the workers, and tries once more where PM2 was the problem: its daemon died, did not answer for a while, or
 * refused because it was starting a worker itself.
 */
async function restoreUnderAnyDaemon(activation, previous) {
    const { world } = activation;
    const daemon = await world.daemon();
    await restoreWorkers(activation, previous).catch(async (error) => {
        if (world.toFailure(error).code !== 'pm2-failed' && (await world.daemon()) === daemon)
            throw error;
        return restoreWorkers(activation, previous);
    });
}
/**
 * Beside old workers that stay, the failed release's are restarted: whatever state they are in, they are out of the
 * way at once. It takes their drain, and where the old workers cannot stay as long nobody would serve at its end. A
 * release that answers, such as one whose `post-activate` failed after minutes, then serves until a reload has put
 * the old one in its place.
 */
async function restoreWorkers(activation, previous) {
    const { world, job, facts } = activation;
    const { target, times } = facts;
    const { release, runtime } = previous;
    // The failed release may have served for a moment, although it was never shown to.
    await world.journal.note('swap', await world.linkOldStatic(release, [target.release]));
    const app = pm2App(job.base, job.appName, previous, times);
    const { options } = app;
    const leaving = { check: runtime.health, drainMs: times.drain };
    const instances = world.instancesOf(runtime);
    const seen = await world.look({});
    const processes = seen.listed.map(({ process }) => process);
    const reload = async () => {
        await tellWorkers(activation, 'make-room').catch(() => undefined);
        const together = mayRunTogether(processes, instances, await world.freeMemory());
        const limitMs = times.heal;
        await serve(activation, { app, release, instances, together, limitMs, moment: 'make-room' });
    };
    const left = othersStay(seen, activation, previous);
    let recovered = false;
    if (left > 0 && (left >= times.heal || !(await stillServes(activation)))) {
        const decide = toRestore({ release, options, instances, failed: target.release, leaving });
        const { seen: after } = await converge(world, decide, { limitMs: times.heal });
        recovered = after.listed.length > 0;
    }
    if (!recovered)
        await reload();
    // PM2 itself may have started a worker once more, under the failed release's options.
    if (!(await world.list()).every((process) => runsUnder(process, options)))
        await reload();
    const { timeoutMs, intervalMs } = runtime.health;
    const ask = { health: previous };
    await converge(world, toBecomeHealthy({ release, address: formatAddress(runtime) }, instances), {
        limitMs: timeoutMs,
        pauseMs: intervalMs,
        ask,
    });
    await converge(world, toScaleDown(release, instances, leaving), { limitMs: DOORS_CLOSE });
}
/** How long workers of a release other than the failed one take traffic, in ms; 0 where none does. */
function othersStay(seen, { world, facts: { target } }, previous) {
    const itself = previous.release === target.release;
    const others = recordsIn(seen).filter(({ phase, release }) => phase === 'open' && (itself || release !== target.release));
    const now = world.sinceBoot();
    return Math.max(0, ...others.map(({ leavesAt }) => (leavesAt === null ? Infinity : leavesAt - now)));
}
/** Whether any worker of the failed release would serve on. */
async function stillServes({ world, facts: { target } }) {
    const { listed, answers } = await world.look({ health: target });
    return listed.some((worker) => serves(worker, target.release) && answers.get(worker.process.pid)?.healthy === true);
}
/** A first deploy has nothing to restore, unless it replaced what somebody else made. @returns what was done */
async function stopForGood(activation) {
    const { world, facts } = activation;
    const { replaced, before, target } = facts;
    const foreign = replaced.processes;
    // Whatever keeps the failed release's workers, what was there before comes back as soon as they make room.
    const stopped = await stopWorkers(activation, foreign.length === 0).then(() => null, (error) => error);
    if (stopped !== null && foreign.length === 0)
        throw stopped;
    // What is put back replaces the link in one step.
    if (before.current !== target.release && replaced.current === null)
        await world.unlink();
    if (replacesNothing(replaced))
        return `${nothingToRestore}: the app is stopped`;
    if (foreign.length > 0) {
        for (const { id, pid } of await world.list()) {
            world.act({ do: 'remove', id, pid }).catch(() => undefined);
        }
    }
    return `${nothingToRestore}: ${await world.putBack(replaced)}`;
}
async function stopWorkers(activation, drained) {
    const { app, target, times } = activation.facts;
    await tellWorkers(activation, 'stop');
    // Connections that stay hold a worker until the end of its drain.
    await converge(activation.world, toStop(drained, { check: target.runtime.health, drainMs: times.drain }), {
        limitMs: app.options.kill_timeout,
    });
}
async function withEvidence({ world }, cause) {
    const failure = cause instanceof Failure ? cause : Failure.revive(cause);
    const parts = [failure.evidence ?? '', await world.evidence()];
    const evidence = parts.filter((part) => part !== '').join('\n');
    return failure.reworded(failure.message, { evidence });
}

;// CONCATENATED MODULE: ./build/agent/activation/run.js
/**
 * The activation: from the lock to the verdict, and back if need be. It runs detached from the SSH session, so that it
 * ends in a verdict whatever happens to the runner; the runner only reads the journal. Every step can be repeated: its
 * process may die at any moment, and another one goes on from what the journal says.
 */









/** @throws where there is no verdict: something live was touched, and whoever resumes it comes to one */
async function runActivation(world, job) {
    const run = { world, job, activation: null, resumed: false };
    let state = { at: 'queued' };
    try {
        while (state.at !== 'settled') {
            if (state.at === 'unsettled')
                throw state.cause;
            state = await next(run, state).catch((error) => afterFailure(run, state, error));
        }
        // Before the lock is given back: nobody may come between and find this one without an end.
        const { verdict, known } = state.known ? state : await settle(run, state);
        // Only now: should this process die before its verdict, another one may have to put that back.
        if (!known && lastThatTouched(await world.entries()) === job.request.activation)
            await world.forgetReplaced().catch(() => undefined);
        if (mayDismiss(state))
            await world.dismiss();
        return verdict;
    }
    finally {
        await world.unlock();
    }
}
/** A watch ends without the app's lock: another process of this activation may have written a verdict already. */
function settle({ world, job }, state) {
    return world.alone(async () => {
        const now = stateOf(await world.entries(), job.request.activation, false);
        if (now.at === 'settled')
            return now;
        await world.journal.verdict(state.verdict);
        return state;
    });
}
async function next(run, state) {
    const { world, job, activation } = run;
    switch (state.at) {
        case 'queued':
            return run_begin(run);
        case 'prepared':
            return prepareAndSwap(activation);
        case 'swapped':
            if (await wantsCanary(activation))
                return { at: 'canary', before: activation.facts.before, canary: null };
            return goLive(activation);
        case 'canary':
            return canary_canary(activation, state.canary).then(async (after) => {
                // The workers are not those of the beginning any more.
                run.activation = { ...activation, facts: await gatherFacts(world, job, after) };
                return after;
            });
        case 'watching':
            return watch(activation, state.probation);
        case 'restoring':
            return restore(activation, state.cause);
        case 'ended':
            return conclude(activation, state.as, state.cause);
        case 'superseded':
            return leaveAsIs(world, state.cause);
        default:
            throw Failure.from(new Error(`${job.request.activation} is ${state.at} already`));
    }
}
/** Waits for the lock, and finds out from the journal where the activation stands. */
async function run_begin(run) {
    const { world, job } = run;
    const { activation, kind, release, lockTimeoutMs } = job.request;
    const { journal } = world;
    if (hasTouched(await world.entries(), activation)) {
        journal.bestEffort();
        // It has no choice but to go on, and an earlier process may have used the reserve up.
        await world.takeReserve().catch(() => undefined);
    }
    else {
        await world.takeReserve();
    }
    await journal.begin('lock', 'waiting for the lock');
    await lockInTurn(world, activation);
    await journal.done('lock', 'locked');
    // Two sessions may have resumed the same one whose process had died.
    const state = stateOf(await world.entries(), activation, await world.isLost());
    if (state.at === 'settled')
        return state;
    const resumed = state.at !== 'prepared';
    run.resumed = resumed;
    if (resumed)
        journal.bestEffort();
    await world.endLeftovers(!resumed);
    await world.connect();
    if (state.at === 'superseded')
        return state;
    const { runtime } = await world.goal(release);
    // A preview has no port that another app could want, and keeps no other app waiting.
    const locked = runtime.socket
        ? Promise.resolve()
        : world.lockPort(runtime.port, resumed ? 0 : lockTimeoutMs);
    await locked.catch((error) => {
        // After the swap there is no way out but forward or back.
        if (resumed)
            return;
        // A disk that takes no lock must not keep a release away that has to come back.
        if (kind !== 'deploy' && !['locked', 'withdrawn'].includes(Failure.from(error).code))
            return;
        throw error;
    });
    // What PM2 runs may change while it waits for the port.
    run.activation = { world, job, facts: await gatherFacts(world, job, state), during: 'swap' };
    return state;
}
/**
 * Takes the lock, and finishes an activation first that was interrupted. PM2 may still be replacing workers for that one,
 * and would end the old ones while it waits for new ones that never come.
 */
async function lockInTurn(world, activation) {
    await world.lock();
    const entries = await world.entries();
    const other = interruptedIn(entries);
    if (other === null || hasTouched(entries, activation) || isOnProbation(entries, other))
        return;
    await world.unlock();
    await world.journal.note('lock', `finishing activation ${other} first, which was interrupted`);
    await world.finish(other);
    await world.lock();
}
async function afterFailure({ world, job, activation, resumed }, state, error) {
    const before = activation?.facts.before;
    const seen = {
        // What nobody can tell is taken for what it was.
        current: await world.current().catch(() => before?.current ?? null),
        serving: await world.serving(),
        before,
        touched: resumed || hasTouched(await world.entries(), job.request.activation),
        elsewhere: await world.isElsewhere(),
        during: activation?.during ?? 'lock',
    };
    return onFailure(state, world.toFailure(error), seen);
}

;// CONCATENATED MODULE: ./build/protocol/history.js
/** Returns the releases that served before the current one and that no rollback left, in the order of serving. */
function servedBefore(releases, current) {
    const until = releases.find(({ id }) => id === current)?.activatedAt ?? null;
    return releases
        .flatMap(({ id, activatedAt: at, left }) => (at === null || left || id === current ? [] : [{ id, at }]))
        .filter(({ at }) => until === null || at < until)
        .sort((a, b) => (a.at < b.at ? -1 : 1))
        .map(({ id }) => id);
}
function previousOf(releases, current) {
    return servedBefore(releases, current).at(-1) ?? null;
}
function history_stateOf({ id, live, left, staged, activatedAt }, releases) {
    if (live)
        return 'live';
    if (staged)
        return 'staged';
    if (activatedAt === null)
        return 'never verified';
    if (left)
        return 'rolled back';
    const current = releases.find((release) => release.live)?.id ?? null;
    return previousOf(releases, current) === id ? 'previous' : 'verified';
}

;// CONCATENATED MODULE: ./build/agent/store/history.js




/** Records that a release served. When the release comes back, its place in the order stays. */
async function markServing(layout, id, { activation, kind, replaced }) {
    const known = await verifications(layout);
    const write = (other, verification) => writeFileAtomic(filesOf(layout, other).verified, JSON.stringify(verification), 0o644);
    for (const [other, verification] of known) {
        if (other === id)
            continue;
        const leftBy = leaves(id, { activation, kind, replaced }, other, verification, known);
        if (leftBy !== verification.leftBy)
            await write(other, { ...verification, leftBy });
    }
    const own = known.get(id);
    if (kind === 'restore' && own !== undefined)
        return write(id, { ...own, leftBy: null });
    const activatedAt = kind === 'deploy' || own === undefined ? laterThan(known) : own.activatedAt;
    return write(id, { activatedAt, activation, kind, leftBy: null });
}
/** @returns the activation that has left the other release, as of now */
function leaves(id, { activation, kind, replaced }, other, { activatedAt, leftBy }, known) {
    const own = known.get(id);
    // Going forward to a later release undoes nothing.
    const isLater = own === undefined ? other > id : activatedAt > own.activatedAt;
    switch (kind) {
        case 'deploy':
            return leftBy;
        case 'rollback':
            return leftBy ?? (isLater ? activation : null);
        case 'restore': {
            if (other === replaced && isLater)
                return leftBy ?? activation;
            // A rollback that was undone has left nothing.
            const undone = replaced === null ? undefined : known.get(replaced);
            return undone !== undefined && leftBy === undone.activation ? null : leftBy;
        }
    }
}
/** Later than all others, whatever the clock says. */
function laterThan(known) {
    const latest = Math.max(0, ...[...known.values()].map(({ activatedAt }) => Date.parse(activatedAt) || 0));
    return new Date(Math.max(Date.now(), latest + 1)).toISOString();
}
/** Returns the release to go back to from the current one, or null. @param except a release that does not count */
async function previousRelease(layout, current, except = null) {
    const releases = [...(await verifications(layout))]
        .filter(([id]) => id !== except)
        .map(([id, { activatedAt, leftBy }]) => ({ id, activatedAt, left: leftBy !== null }));
    return previousOf(releases, current);
}
async function verifications(layout) {
    const found = new Map();
    for (const id of await releaseIds(layout)) {
        const verification = await verificationOf(layout, id).catch(() => null);
        if (verification !== null)
            found.set(id, verification);
    }
    return found;
}

;// CONCATENATED MODULE: external "node:stream/promises"
const external_node_stream_promises_namespaceObject = require("node:stream/promises");
;// CONCATENATED MODULE: ./build/common/hash-file.js



/** In bytes. Up to here a few reads are cheaper than a stream: Node's streams take 0.2 ms a file, the reads 0.03. */
const SMALL = 256 * 1024;
/** Returns the SHA-256 of a file in hex. */
async function hashFile(file, size) {
    return fileHasher()(file, size);
}
/**
 * Returns a function that hashes many files, with one buffer for all small ones: one each would be gigabytes of
 * garbage. Hashes what the file really contains, whatever size is given.
 */
function fileHasher() {
    const buffer = Buffer.allocUnsafe(SMALL);
    return (file, size = Infinity) => (size <= SMALL ? hashInTurn(file, size, buffer) : hashStream(file));
}
async function hashStream(file) {
    const hash = (0,external_node_crypto_namespaceObject.createHash)('sha256');
    await (0,external_node_stream_promises_namespaceObject.pipeline)((0,external_node_fs_namespaceObject.createReadStream)(file, { highWaterMark: SMALL }), hash);
    return hash.digest('hex');
}
/** Synchronous, so that nothing else uses the buffer. */
function hashInTurn(file, size, buffer) {
    const handle = (0,external_node_fs_namespaceObject.openSync)(file, 'r');
    try {
        let length = 0;
        for (;;) {
            const read = (0,external_node_fs_namespaceObject.readSync)(handle, buffer, length, buffer.length - length, null);
            length += read;
            if (length === buffer.length)
                return hashOnwards(handle, buffer);
            // A read that leaves room in the buffer has reached the end of the file.
            if (read === 0 || length === size)
                break;
        }
        return sha256(buffer.subarray(0, length));
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(handle);
    }
}
function hashOnwards(handle, buffer) {
    const hash = (0,external_node_crypto_namespaceObject.createHash)('sha256').update(buffer);
    for (;;) {
        const read = (0,external_node_fs_namespaceObject.readSync)(handle, buffer, 0, buffer.length, null);
        if (read === 0)
            return hash.digest('hex');
        hash.update(buffer.subarray(0, read));
    }
}
/**
 * Returns the SHA-256 in hex. A hash object has a native part that is garbage-collected late: 50,000 of them
 * take 50 MB. Node has the one-shot function from 20.12 on.
 */
function sha256(bytes) {
    return typeof external_node_crypto_namespaceObject.hash === 'function'
        ? (0,external_node_crypto_namespaceObject.hash)('sha256', bytes, 'hex')
        : (0,external_node_crypto_namespaceObject.createHash)('sha256').update(bytes).digest('hex');
}

;// CONCATENATED MODULE: ./build/agent/store/launcher.js
/**
 * The launcher of a release. Every worker starts with it, so its bytes are verified before a release is
 * started. What PM2 starts between activations, such as a worker that crashed, cannot be verified.
 */








/** @throws Failure `release-damaged` when the launcher is not the one that was uploaded */
async function assertLauncher(layout, id) {
    if (await isProven(layout, id, await uploadedLauncher(layout, id)))
        return;
    const { launcher } = filesOf(layout, id);
    throw server_failure('release-damaged: launcher', { path: launcher });
}
/**
 * Restores a modified launcher of a release that must come back: from the same bytes in another release, else from the
 * newest release with an intact launcher. Launchers can read the releases of older launchers.
 * @returns what was done, or null where nothing was wrong
 * @throws Failure `release-damaged`
 */
async function repairLauncher(layout, id) {
    const uploaded = await uploadedLauncher(layout, id);
    if (await isProven(layout, id, uploaded))
        return null;
    const source = await provenElsewhere(layout, id, uploaded);
    const { launcher } = filesOf(layout, id);
    if (source === null)
        throw server_failure('release-damaged: every launcher', { path: launcher });
    const stat = await (0,promises_namespaceObject.lstat)(launcher).catch(() => null);
    if (stat !== null && !stat.isFile())
        await (0,promises_namespaceObject.rm)(launcher, { recursive: true, force: true });
    await writeFileAtomic(launcher, source.content, 0o644);
    return `Replaced "${launcher}", which was modified on the server, with the one of ${source.id}`;
}
/** Returns the launcher's manifest entry; null where the manifest has none or cannot be read. */
async function uploadedLauncher(layout, id) {
    try {
        for await (const entry of readManifest(filesOf(layout, id).manifest)) {
            if (entry.kind === 'file' && entry.path === LAUNCHER)
                return entry;
        }
    }
    catch {
        // A damaged release has no verified launcher.
    }
    return null;
}
async function isProven(layout, id, uploaded) {
    if (uploaded === null)
        return false;
    const { launcher } = filesOf(layout, id);
    const stat = await (0,promises_namespaceObject.lstat)(launcher).catch(() => null);
    if (!stat?.isFile() || stat.size !== uploaded.size)
        return false;
    return (await fileHasher()(launcher, stat.size)) === uploaded.hash;
}
async function provenElsewhere(layout, except, wanted) {
    const others = (await releaseIds(layout)).filter((id) => id !== except).reverse();
    const launchers = await Promise.all(others.map(async (id) => ({ id, uploaded: await uploadedLauncher(layout, id) })));
    const same = launchers.filter(({ uploaded }) => uploaded?.hash === wanted?.hash);
    for (const { id, uploaded } of [...same, ...launchers]) {
        const { launcher } = filesOf(layout, id);
        const content = await (0,promises_namespaceObject.readFile)(launcher).catch(() => null);
        if (content !== null && sha256(content) === uploaded?.hash)
            return { id, content };
    }
    return null;
}

;// CONCATENATED MODULE: ./build/agent/store/old-static.js
/**
 * The static files of the other releases, for visitors with a page of one of them: its lazy chunks, images and
 * styles have names that only that build knows.
 */






/**
 * Links the static files of every other release that ever served into this one, except where it has a file of that
 * name. Next.js lists static files when it boots (14, 15, 16): this runs before that, and running workers do not
 * notice. Each release's own manifest counts: a file goes when the last release that was built with it goes.
 * @param served releases that served although they were never verified
 * @returns how many files this call added
 * @throws where the release itself cannot be read or written; skips what is wrong with the others
 */
async function carryStatic(layout, id, served = []) {
    const own = await staticFolder(layout, id);
    if (own === null)
        return { files: 0 };
    let files = 0;
    for (const other of await servedReleases(layout, id, served)) {
        for (const { source, path, file } of await staticFiles(layout, other)) {
            if (await carry(source, (0,external_node_path_namespaceObject.join)(own, path), file))
                files += 1;
        }
    }
    return { files };
}
/** The releases that visitors may have a page of, newest first. `current` can point at one that failed later. */
async function servedReleases(layout, except, served) {
    const known = new Set([...served, await liveRelease(layout)]);
    const found = [];
    for (const id of await releaseIds(layout)) {
        if (id === except)
            continue;
        if (known.has(id) || (await activatedAt(layout, id).catch(() => null)) !== null)
            found.unshift(id);
    }
    return found;
}
async function staticFiles(layout, id) {
    const found = [];
    try {
        const { staticPath } = await readInfo(layout, id);
        if (staticPath === null)
            return [];
        const directory = releaseDirectory(layout, id);
        for await (const entry of readManifest(releaseFiles(directory).manifest)) {
            if (entry.kind !== 'file' || !entry.path.startsWith(`${staticPath}/`))
                continue;
            const path = entry.path.slice(staticPath.length + 1);
            found.push({ source: (0,external_node_path_namespaceObject.join)(directory, entry.path), path, file: entry });
        }
    }
    catch {
        // A damaged release contributes what could be read.
    }
    return found;
}
async function staticFolder(layout, id) {
    const { staticPath } = await readInfo(layout, id);
    if (staticPath === null)
        return null;
    const folder = (0,external_node_path_namespaceObject.join)(releaseDirectory(layout, id), staticPath);
    return statOf(folder)?.isDirectory() ? folder : null;
}
/** Links synchronously: a promise each for thousands of files would take ten times as long. */
function carry(source, target, { size, mode }) {
    const stat = statOf(source);
    if (!stat?.isFile() || stat.size !== size || statOf(target) !== null)
        return false;
    try {
        makeReadableFolder((0,external_node_path_namespaceObject.dirname)(target));
    }
    catch (error) {
        // This release has a file where the other has a folder: this release wins.
        if (old_static_codeOf(error) === 'EEXIST' || old_static_codeOf(error) === 'ENOTDIR')
            return false;
        throw error;
    }
    return tryLink(source, target) || copyAtomic(source, target, mode).then(() => true);
}
/** Returns null also where a file is in the place of one of the folders on the way. */
function statOf(path) {
    try {
        return (0,external_node_fs_namespaceObject.lstatSync)(path);
    }
    catch {
        return null;
    }
}
function old_static_codeOf(error) {
    return error.code;
}

;// CONCATENATED MODULE: ./build/agent/activation/goal.js

/** @throws Failure `release-damaged` */
async function readGoal(layout, release) {
    const [runtime, { entry }] = await Promise.all([readRuntime(layout, release), readInfo(layout, release)]);
    return { release, runtime, entry };
}

;// CONCATENATED MODULE: ./build/agent/activation/overtaken.js
/** A queued run that comes late must not silently replace the release of a later one. */


/**
 * @param live the current release; null where there is none
 * @throws Failure `overtaken` when it came from a later run of the same repository and branch
 */
async function assertNotOvertaken(layout, run, live) {
    if (live === null)
        return;
    const info = await readInfo(layout, live).catch(() => null);
    const verification = await verificationOf(layout, live).catch(() => null);
    // Whoever went back to it, or deployed it by hand, did not mean to keep the next push out.
    if (info === null || verification?.kind === 'rollback' || !isLater(info, run))
        return;
    throw activation_failure('overtaken', { run: named(run), newer: named(info, 'run'), release: live });
}
/** Whether a release came from a later run than this one, where the two can be compared and nobody asked for either. */
function isLater(release, run) {
    const [theirs, ours] = [runIn(release.runUrl), runIn(run.runUrl)];
    const comparable = theirs.repository === ours.repository && release.ref === run.ref;
    const asked = run.runAttempt > 1 || isManual(run) || isManual(release);
    return comparable && !asked && theirs.id > ours.id;
}
/** GitHub's ids of runs grow within a repository, whatever becomes of its workflows. */
function runIn(url) {
    const [, repository = '', id = '0'] = /^(.+)\/actions\/runs\/(\d+)$/.exec(url) ?? [];
    return { repository, id: Number(id) };
}
function isManual({ event }) {
    return event === 'workflow_dispatch' || event === 'repository_dispatch';
}
function named({ workflow, runNumber }, word = 'Run') {
    return `${word} ${runNumber} of "${workflow}"`;
}

;// CONCATENATED MODULE: ./build/agent/activation/server/releases.js
/** The releases on the disk, and the link to the current one. */







function releasesOn(layout, run, room) {
    return {
        goal: (release) => readGoal(layout, release),
        current: () => liveRelease(layout),
        isVerified: async (release) => (await activatedAt(layout, release).catch(() => null)) !== null,
        previousRelease: (current, except) => previousRelease(layout, current, except),
        preparePoint: (release) => room(() => prepareLink(layout, release)),
        point: (release) => room(() => pointCurrentAt(layout, release)),
        unlink: () => (0,promises_namespaceObject.rm)(layout.current, { force: true }),
        markServing: (release, serving) => room(() => markServing(layout, release, serving)),
        // No reason to fail: without them, old pages miss something, but the release is whole.
        linkOldStatic: (release, served) => carryStatic(layout, release, served).then(({ files }) => `linked ${files} static files of other releases into ${release}`, (error) => `Could not link static files of other releases: ${error.message}`),
        assertLauncher: (release) => assertLauncher(layout, release),
        repairLauncher: (release) => room(() => repairLauncher(layout, release)),
        assertNotOvertaken: (current) => assertNotOvertaken(layout, run, current),
    };
}

;// CONCATENATED MODULE: ./build/agent/activation/candidates.js
/**
 * Candidates on record. An agent that is killed cannot end its candidate, which may be too busy to notice: whoever
 * comes next ends it, with all that it started.
 */







const identity = { pid: count, startTime: string };
const candidate = object({
    /** It leads a group. */
    ...identity,
    /** A process group can outlive its leader, but not a boot. */
    bootId: string,
    agent: object(identity),
    /** How long it may run, in ms: an agent that hangs ends nothing either. */
    limitMs: count,
});
const candidates_POLL = 20;
/** A process that hangs in the kernel does nothing more, and is not waited for any longer, in ms. */
const candidates_PATIENCE = 5000;
/** Records that this process has started a candidate. @returns what ends the record */
async function recordCandidate({ candidates }, pid, limitMs) {
    const file = (0,external_node_path_namespaceObject.join)(candidates, `${pid}.json`);
    const agent = { pid: process.pid, startTime: process_identity_startTimeOf(process.pid) ?? '' };
    const record = { pid, startTime: process_identity_startTimeOf(pid) ?? '', bootId: bootId(), agent, limitMs };
    await writeFileAtomic(file, JSON.stringify(record), 0o600);
    return () => (0,promises_namespaceObject.rm)(file, { force: true });
}
/** Ends every candidate whose agent has ended, or which has run for longer than it may. */
async function endOrphanedCandidates({ candidates }) {
    const names = (await (0,promises_namespaceObject.readdir)(candidates).catch(() => [])).filter((name) => name.endsWith('.json'));
    for (const file of names.map((name) => (0,external_node_path_namespaceObject.join)(candidates, name))) {
        const record = readCandidate(await readIfThere(file));
        if (record !== null && !isOrphaned(record))
            continue;
        if (record !== null)
            await endGroup(record);
        await (0,promises_namespaceObject.rm)(file, { force: true });
    }
}
/** Null where it is gone, or of an earlier boot. */
function readCandidate(text) {
    try {
        const record = parse(candidate, text ?? '', 'candidate');
        return record.bootId === bootId() ? record : null;
    }
    catch {
        return null;
    }
}
function isOrphaned({ agent, startTime, limitMs }) {
    return !isRunning(agent.pid, agent.startTime) || ageOf(startTime) >= limitMs;
}
async function endGroup(leader) {
    for (let waited = 0; waited < candidates_PATIENCE; waited += candidates_POLL) {
        if (groupLedBy(leader).length === 0)
            return;
        signal(-leader.pid, 'SIGKILL');
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(candidates_POLL);
    }
}

;// CONCATENATED MODULE: ./build/agent/activation/port-lock.js
/**
 * One activation per port at a time. To look whether a port is free and to open it are two steps, minutes apart, and the
 * lock of an app keeps no other app out in between. It lies in PM2's home, since the daemon there would hand one socket to
 * both; beyond it the kernel gives a port to one process alone.
 */




/** @throws Failure `locked`, or `withdrawn` if it gave up */
async function takePort(pm2Home, port, owner, timeoutMs, waiting = {}) {
    const directory = (0,external_node_path_namespaceObject.join)(pm2Home, 'gapless', `port-${port}`);
    return lockFolder(directory, owner, timeoutMs, waiting).catch((error) => {
        const { code, evidence } = Failure.from(error);
        throw code === 'locked' ? server_failure('locked: port', { port }, { evidence, cause: error }) : error;
    });
}

;// CONCATENATED MODULE: ./build/agent/activation/server/turn.js
/** Whose turn it is: the app's lock, the port's, and what activations that died left running. */










/** Longer than writing a verdict takes, in ms. */
const VERDICT_LIMIT = 10_000;
function turnOn(layout, { pm2Home, request }, journal) {
    const { activation, run, lockTimeoutMs } = request;
    const files = activationFiles(layout, activation);
    const owner = run.runUrl || activation;
    const isWithdrawn = () => exists(files.withdrawn);
    /** An activation that has changed anything live must reach a verdict, even after its run was cancelled. */
    const giveUp = async () => (await isWithdrawn()) && !hasTouched(await readJournal(layout.journal), activation);
    const note = (text) => void journal.note('lock', `waiting for ${text}`);
    const noteHolder = (holder) => note(`the lock, held by ${holder}`);
    const locks = [];
    return {
        isWithdrawn,
        takeReserve: () => takeReserve(files.reserve),
        isElsewhere: async () => (await lockedFor(layout.lock)) === activation,
        async lock() {
            const waiting = { activation, onWait: noteHolder, giveUp };
            locks.push(await takeLock(layout.lock, owner, lockTimeoutMs, waiting));
        },
        async lockPort(port, timeoutMs) {
            const onWait = (holder) => note(`port ${port}, which is being opened by ${holder}`);
            const waiting = { activation, onWait, giveUp };
            const take = () => takePort(pm2Home, port, owner, timeoutMs, waiting);
            locks.push(await withReserve(files.reserve, take));
        },
        async endLeftovers(mayGiveUp) {
            await untilHooksEnded(layout, {
                onWait: (of) => note(`a hook of activation ${of}, whose process died`),
                giveUp: async () => mayGiveUp && (await giveUp()),
            });
            // Their memory and their cores are needed.
            await endOrphanedCandidates(layout);
        },
        async alone(act) {
            const lock = await lockFolder(files.end, owner, VERDICT_LIMIT, { activation }).catch(console.error);
            return act().finally(() => lock?.release().catch(console.error));
        },
        async unlock() {
            // No trouble here may turn a verdict into another: a lock whose process has ended is void by itself.
            const [lock, ...others] = locks.splice(0);
            for (const other of others)
                await other.release().catch(console.error);
            if (lock === undefined)
                return;
            await dropPreparedLinks(layout).catch(console.error);
            await lock.release().catch(console.error);
        },
    };
}

;// CONCATENATED MODULE: external "node:http"
const external_node_http_namespaceObject = require("node:http");
var external_node_http_default = /*#__PURE__*/__nccwpck_require__.n(external_node_http_namespaceObject);
;// CONCATENATED MODULE: ./build/common/health.js
/** Requests a release's health on this machine, for the launcher and for the agent. */


/** By this the counters of a worker know such a request. */
const HEALTH_CHECK_AGENT = 'gapless-health-check';
/** Limit of one try, in ms: a slower answer is not healthy. */
const TRY_TIMEOUT = 10_000;
const BODY_LIMIT = 1024 * 1024;
const EXCERPT = 500;
/** Sends one request; never rejects. `timeoutMs` is its limit. @param host an address, or the path of a Unix socket */
function askHealth(host, port, check, timeoutMs = TRY_TIMEOUT) {
    return new Promise((resolve) => {
        const fail = (detail) => resolve({ healthy: false, status: 0, detail, excerpt: '' });
        const request = external_node_http_default().get({
            ...(host.startsWith('/') ? { socketPath: host } : { host, port }),
            path: check.path,
            agent: false,
            headers: { 'user-agent': HEALTH_CHECK_AGENT, accept: '*/*', ...addressed(check) },
        });
        const deadline = setTimeout(() => request.destroy(new Error(`no answer within ${formatDuration(timeoutMs)}`)), timeoutMs);
        request.on('close', () => clearTimeout(deadline));
        request.on('error', (error) => fail(error.message));
        // Without a listener Node closes the connection without an error (18 to 24).
        request.on('upgrade', (response, socket) => {
            socket.destroy();
            fail(`HTTP ${response.statusCode ?? 0}: a change of protocol that was not asked for`);
        });
        request.on('response', (response) => {
            const chunks = [];
            let size = 0;
            response.on('data', (chunk) => {
                if (size < BODY_LIMIT)
                    chunks.push(chunk);
                size += chunk.length;
            });
            response.on('error', (error) => fail(error.message));
            response.on('aborted', () => fail('the answer broke off'));
            response.on('end', () => resolve(health_judge(check, response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'))));
        });
    });
}
/** Returns the headers that a proxy in front of the app would add. */
function addressed({ origin }) {
    if (origin === null)
        return {};
    const { scheme, host } = origin;
    return { host, 'x-forwarded-host': host, 'x-forwarded-proto': scheme };
}
/** Whether an HTTP answer is healthy. */
function health_judge(check, status, body) {
    const excerpt = body.slice(0, EXCERPT);
    const accepted = check.status.some(([from = 0, to = 0]) => status >= from && status <= to);
    if (!accepted)
        return { healthy: false, status, detail: `HTTP ${status}`, excerpt };
    if (check.body !== null && !body.includes(check.body)) {
        return { healthy: false, status, detail: `HTTP ${status} without the expected text`, excerpt };
    }
    return { healthy: true, status, detail: `HTTP ${status}`, excerpt };
}

;// CONCATENATED MODULE: ./build/common/errors/preview.js
/** Previews of an app. */

const preview_texts = {
    'preview-unusable': {
        message: 'The path of the preview’s socket, "{socket}", has {bytes} bytes, and a Unix socket takes {most}.',
        remedy: 'Shorten `preview` or `path`.',
    },
    'preview-unusable: socket': {
        message: '"{socket}" is not a socket, so the preview cannot listen there.',
        remedy: 'Move the file away, or choose another name for `preview`.',
    },
    'preview-unusable: folder': {
        message: '"{folder}" is not a folder, so it cannot hold the preview.',
        remedy: 'Remove the file or link, or choose another name for `preview`.',
    },
    'preview-unusable: name': {
        message: 'PM2 runs an app named "{name}" that Gapless did not start, and the preview would replace it.',
        remedy: 'Choose another name for `preview`.',
    },
    'memory-low': {
        message: 'The preview may use {needed} of memory, and the server has {available} available.',
        remedy: 'Remove a preview that nobody needs, or lower `max-memory`.',
        cause: '`max-memory` is 512M for previews unless it is set. Lower `preview-limit` or `preview-ttl` to keep fewer.',
    },
};
const preview_failure = failures(preview_texts);

;// CONCATENATED MODULE: ./build/agent/pm2/app-name.js
/** Whether the app's name in PM2 and the app's folder belong to this app alone. */



/**
 * Two apps of one name, such as staging and production of one repository on one server, would replace each
 * other. Replaces an app that was started in any other way, and one whose folder is gone or has been moved.
 * @throws Failure `app-name-taken`
 */
function assertNameIsOurs(layout, processes) {
    for (const process of processes) {
        const folder = folderOf(process);
        if (folder === null || isSameFolder(folder, layout.base) || apps_realPath(folder) === null)
            continue;
        throw server_failure('app-name-taken', { name: process.name, folder });
    }
}
/**
 * Two names on one folder would replace each other's release. A renamed app looks exactly the same, so it is
 * not replaced: the user must say that it was renamed.
 * @param all of PM2's processes
 * @throws Failure `path-taken`
 */
async function assertFolderIsOurs(layout, appName, all) {
    const others = all.filter(({ name }) => name !== appName);
    const other = others.find((process) => {
        const folder = folderOf(process);
        return folder !== null && isSameFolder(folder, layout.base);
    });
    if (other !== undefined) {
        throw server_failure('path-taken', { other: other.name, path: layout.base, app: appName });
    }
    if ((await foreignCurrent(layout)) === null)
        return;
    const user = others.find((process) => runsThrough(layout.current, process));
    if (user === undefined)
        return;
    throw server_failure('path-taken: not ours', { other: user.name, path: layout.current });
}
function runsThrough(link, { script, cwd }) {
    return [script, cwd].some((path) => path === link || path.startsWith(`${link}/`));
}

;// CONCATENATED MODULE: ./build/protocol/preview-name.js
/** A preview's name is also a folder, a part of PM2's name and a label of a host name. */
const PREVIEW_NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

;// CONCATENATED MODULE: ./build/agent/store/previews.js
/** Where an app's previews are: each has the layout of an app of its own, below the app's folder. */







/** The kernel takes this many bytes for the address of a Unix socket. */
const LONGEST_SOCKET = 107;
function appOf({ base }) {
    return layoutOf((0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.dirname)(base)));
}
function socketOf({ base }) {
    return `${base}.sock`;
}
/** @throws Failure `preview-unusable` */
function assertSocketFits(layout) {
    const socket = socketOf(layout);
    const bytes = Buffer.byteLength(socket);
    if (bytes > LONGEST_SOCKET)
        throw preview_failure('preview-unusable', { socket, bytes, most: LONGEST_SOCKET });
}
/**
 * Through a link it would be the folder of something else.
 * @returns whether the preview has a folder
 * @throws Failure `preview-unusable`
 */
function hasOwnFolder({ base }) {
    const folder = (0,external_node_fs_namespaceObject.lstatSync)(base, { throwIfNoEntry: false });
    if (folder !== undefined && !folder.isDirectory())
        throw preview_failure('preview-unusable: folder', { folder: base });
    return folder !== undefined;
}
/** Where the base of an upload is: the first upload of a preview may be based on a release of its app. */
async function layoutOfBase(layout, base, isPreview) {
    const isOwn = !isPreview || base === null || (await isRelease(layout, base));
    return isOwn ? layout : appOf(layout);
}
/** The app's previews, in the order of their names. */
async function previewsOf(app) {
    const folder = (0,external_node_path_namespaceObject.join)(app.base, 'previews');
    const entries = await (0,promises_namespaceObject.readdir)(folder, { withFileTypes: true }).catch(() => []);
    return entries
        .filter((entry) => entry.isDirectory() && PREVIEW_NAME.test(entry.name))
        .map(({ name }) => layoutOf((0,external_node_path_namespaceObject.join)(folder, name)))
        .sort((a, b) => (a.base < b.base ? -1 : 1));
}
/** The app of a preview and its other previews: where it may take files from, the best last. */
async function neighboursOf(layout) {
    const app = appOf(layout);
    const previews = await previewsOf(app);
    return [...previews.filter(({ base }) => base !== layout.base), app];
}
/** When a preview was deployed last, in ms since 1970. A deploy that is still building counts. */
async function lastDeployed(layout) {
    return Math.max(await lastLive(layout), await lastSession(layout));
}
/** A session that may deploy marks the agent that it loads as used (bootstrap.ts). */
async function lastSession({ own }) {
    const agents = (0,external_node_path_namespaceObject.join)(own, 'agent');
    const times = (await (0,promises_namespaceObject.readdir)(agents).catch(() => [])).map((name) => mtimeOf((0,external_node_path_namespaceObject.join)(agents, name)));
    return Math.max(0, ...(await Promise.all(times)));
}
async function lastLive(layout) {
    const live = await liveRelease(layout).catch(() => null);
    const verified = live === null ? null : await verificationOf(layout, live).catch(() => null);
    const newest = (await releaseIds(layout)).at(-1);
    const info = newest === undefined ? null : await readInfo(layout, newest).catch(() => null);
    const time = Date.parse(verified?.activatedAt ?? info?.created ?? '');
    return Number.isNaN(time) ? mtimeOf(layout.base) : time;
}
async function mtimeOf(path) {
    return (await (0,promises_namespaceObject.stat)(path).catch(() => null))?.mtimeMs ?? 0;
}

;// CONCATENATED MODULE: ./build/agent/pm2/stranded.js
/** A daemon that cannot start a worker any more: somebody removed the Node or the PM2 that it runs from. */



/**
 * Every new worker would exit at once, those of the previous release too.
 * @param all of PM2's processes
 * @param records of the app's workers
 * @throws Failure `pm2-stranded`
 */
function assertNotStranded(daemon, all, records) {
    const missing = [nodeOf(daemon.pid), daemon.program].find((file) => file !== null && !(0,external_node_fs_namespaceObject.existsSync)(file));
    if (missing === undefined)
        return;
    const outlives = (pid) => records.some((record) => record.pid === pid && record.outlives);
    const allOutlive = all.every(({ pid, status }) => status !== 'online' || outlives(pid));
    const values = { daemon: daemon.pid, missing };
    throw allOutlive ? server_failure('pm2-stranded', values) : server_failure('pm2-stranded: shared', values);
}
/** Where the daemon looks for Node; null where nobody can tell. A file of that name may have replaced the one it runs. */
function nodeOf(pid) {
    return executableOf(pid)?.replace(/ \(deleted\)$/, '') ?? null;
}

;// CONCATENATED MODULE: ./build/agent/pm2/claims.js
/**
 * What an app claims on its server: a folder, a name in PM2 and a port. Each belongs to one app of the user.
 * Every check before a swap is here.
 */








/** Returns one check for each claim: it throws where another app has the claim. */
function checksOf({ layout, appName, address, said }, { all, daemon, program }) {
    const processes = all.filter(({ name }) => name === appName);
    const foreign = processes.filter((process) => folderOf(process) === null);
    const stranded = async () => {
        if (daemon === null)
            return;
        assertNotStranded({ pid: daemon, program }, all, await readWorkers(layout.workers));
    };
    if (address.socket)
        return [stranded, ...previewChecks({ layout, appName }, processes, all)];
    const foreignAddresses = () => addressesOf(foreign, { all, daemon });
    return [
        stranded,
        async () => assertNameIsOurs(layout, processes),
        () => assertFolderIsOurs(layout, appName, all),
        async () => {
            if (said === null)
                return;
            const doors = await openDoors(processes);
            const now = doors.length > 0 ? doors : await foreignAddresses();
            assertMoveIsMeant(now, address, said);
        },
        async () => {
            await assertNoOtherDoor(layout.base, address, all);
            const records = await readWorkers(layout.workers);
            const users = { processes, records, daemon, addresses: await foreignAddresses() };
            await assertPortIsOurs(address.host, address.port, users);
        },
    ];
}
/** A preview replaces nothing that is not its own: no app, no process of another tool, no file. */
function previewChecks({ layout, appName }, processes, all) {
    return [
        async () => assertSocketIsFree(layout),
        async () => {
            if (processes.some((process) => folderOf(process) === null))
                throw preview_failure('preview-unusable: name', { name: appName });
        },
        async () => assertNameIsOurs(layout, processes),
        () => assertFolderIsOurs(layout, appName, all),
    ];
}
/** @throws Failure `preview-unusable` */
function assertSocketIsFree(layout) {
    assertSocketFits(layout);
    const socket = socketOf(layout);
    const stat = (0,external_node_fs_namespaceObject.lstatSync)(socket, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isSocket())
        throw preview_failure('preview-unusable: socket', { socket });
    hasOwnFolder(layout);
}
/** @throws Failure `pm2-stranded`, `app-name-taken`, `path-taken`, `port-taken`, `port-forbidden` or `address-differs` */
async function assertClaims(claim, running) {
    for (const check of checksOf(claim, running))
        await check();
}

;// CONCATENATED MODULE: ./build/agent/pm2/end-daemon.js
/** Ends PM2's daemon, whose workers go on serving, in a moment in which it has no visitor in hand. */





/** How long such a moment is waited for, in ms. */
const end_daemon_PATIENCE = 3000;
const end_daemon_LOOK = 5;
async function endDaemon(pid) {
    const startTime = process_identity_startTimeOf(pid);
    if (startTime === null)
        return;
    const lives = () => isRunning(pid, startTime);
    const release = continueAtDeath(pid);
    try {
        const begun = performance.now();
        while (performance.now() - begun < end_daemon_PATIENCE && lives() && !(await isStoppedIdle(pid))) {
            signal(pid, 'SIGCONT');
            await (0,external_node_timers_promises_namespaceObject.setTimeout)(end_daemon_LOOK);
        }
        // On SIGTERM it would stop its workers.
        if (lives())
            await kill([pid]);
    }
    finally {
        release();
    }
}
/** The daemon closes a connection when a worker says that it has it. */
async function isStoppedIdle(pid) {
    signal(pid, 'SIGSTOP');
    for (let waited = 0; waited < 50 && !isStopped(pid); waited += 1)
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(1);
    return isStopped(pid) && acceptedBy(pid).length === 0;
}
/** A stopped daemon would let every visitor wait: should this process be killed, another lets the daemon go on. */
function continueAtDeath(pid) {
    const script = `read -r _; kill -CONT ${pid}`;
    const keeper = (0,external_node_child_process_namespaceObject.spawn)('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    keeper.on('error', () => undefined);
    keeper.stdin.on('error', () => undefined);
    keeper.unref();
    return () => keeper.kill('SIGKILL');
}

;// CONCATENATED MODULE: ./build/agent/pm2/move.js
/**
 * PM2's daemon keeps the Node that it was started on, and starts every worker on it. Where `setup` has brought another
 * since, a deploy ends the daemon: its workers go on serving, and those of the next daemon take over.
 */











/**
 * Whether the daemon should run on the Node that setup brought last.
 * @param binPath folders that the user named: a Node in them is meant
 */
function nodeMove(daemon, binPath) {
    const node = broughtNode();
    const exe = daemon === null ? null : executableOf(daemon);
    if (node === null || exe === null || exe === node)
        return null;
    const named = binPath.map((folder) => (0,external_node_path_namespaceObject.join)(expandHome(folder), 'node'));
    if (named.some((file) => (0,external_node_fs_namespaceObject.existsSync)(file)))
        return null;
    const [now, next] = [versionOfNode(exe), versionOfNode(node)];
    if (now === null || next === null)
        return null;
    // A newer one that somebody else installed is no worse. Of setup's own the last counts, also where it is older.
    if (!isBrought(exe) && !isNewer(next.version, now.version))
        return null;
    return { ...next, node, from: now.version };
}
/** What the daemon runs that a move would harm, as the rest of a sentence; null: nothing. @param own the app's folder */
async function whyNotMove(all, own) {
    for (const { name, pid, script } of all.filter(isRunningUnder)) {
        const folder = folderOf({ script });
        if (folder === null)
            return `PM2 also runs "${name}", which Gapless did not deploy`;
        const layout = layoutOf(folder);
        const record = (await readWorkers(layout.workers)).find((worker) => worker.pid === pid);
        if (record?.outlives !== true)
            return `a worker of "${name}" would not outlive PM2's daemon`;
        if (!isSameFolder(folder, own) && (await lockHolder(layout.lock)) !== null)
            return `"${name}" is being deployed`;
    }
    return null;
}
/**
 * Leaves word of the apps that the daemon runs, before it is ended.
 * @param others processes of apps that no activation starts again
 */
async function rememberOthers(home, others) {
    // It holds the environment of the processes.
    await writeFileAtomic(waitingIn(home), JSON.stringify(others), 0o600);
}
/** Starts the other apps that an ended daemon ran and that PM2 does not list yet, whoever ended it. */
async function startOthers(home, pm2) {
    const waiting = await (0,promises_namespaceObject.readFile)(waitingIn(home), 'utf8').then((text) => JSON.parse(text), () => null);
    if (waiting === null)
        return;
    const listed = new Set((await pm2.all()).map(({ name }) => name));
    for (const process of waiting)
        if (!listed.has(process.name))
            await pm2.revive(process);
    await (0,promises_namespaceObject.rm)(waitingIn(home), { force: true });
}
function waitingIn(home) {
    return (0,external_node_path_namespaceObject.join)(home, 'gapless-waiting.json');
}
function isNewer(one, other) {
    const [a, b] = [one, other].map((version) => version.split('.').map(Number));
    const at = a.findIndex((part, index) => part !== b[index]);
    return at >= 0 && a[at] > b[at];
}

;// CONCATENATED MODULE: ./build/agent/activation/instances.js


/**
 * How many workers the release asks for; 0 stands for one per core that they may use.
 * @param daemon PM2's, in whose control group the workers are; null: this process stands for it
 */
function instancesOf({ instances }, daemon, at = kernel) {
    return instances === 0 ? Math.ceil(Math.min((0,external_node_os_namespaceObject.cpus)().length, cpusAllowed(daemon ?? 'self', at))) : instances;
}

;// CONCATENATED MODULE: ./build/agent/activation/server/workers.js
/** PM2, the app's workers, and what they claim on the server. */

















/** Whose event loop turns has answered by then, whatever the answer is, in ms. */
const HUNG = 5000;
function workersOn(layout, job, room) {
    const { appName, pm2Home, pm2Path: path, pm2Version: version } = job;
    let connection = null;
    const connected = () => {
        if (connection === null)
            throw new Error('PM2 is not connected');
        return connection;
    };
    const list = () => connected().pm2.list(appName);
    const running = async () => {
        const { pm2 } = connected();
        return { all: await pm2.all(), daemon: await daemonPid(pm2Home), program: await pm2.program() };
    };
    const connect = async () => {
        // PM2's client has one connection in a process: a second one gets no answers while the first is open (7.0.4).
        if (connection !== null && connection.daemon === (await daemonPid(pm2Home)))
            return;
        const known = connection?.logs;
        connection?.pm2.close();
        const pm2 = await connectPm2({ path, version }, pm2Home);
        connection = { pm2, daemon: null, logs: new Map() };
        const files = (await list()).flatMap(({ errorLog, outLog }) => [errorLog, outLog]);
        const logs = known ?? (await sizesOf([daemonLog(pm2Home), ...files]));
        connection = { pm2, daemon: await daemonPid(pm2Home), logs };
    };
    return {
        connect,
        async moveNode() {
            // An earlier process may have died in the middle.
            await startOthers(pm2Home, connected().pm2);
            const daemon = await daemonPid(pm2Home);
            const move = nodeMove(daemon, []);
            // A daemon runs on the Node of whoever starts it.
            if (daemon === null || move === null || (0,external_node_fs_namespaceObject.realpathSync)(process.execPath) !== move.node)
                return null;
            const all = await connected().pm2.all();
            if ((await whyNotMove(all, layout.base)) !== null)
                return null;
            const others = all.filter(({ name }) => name !== appName);
            await room(() => rememberOthers(pm2Home, others));
            await endDaemon(daemon);
            await connect();
            await startOthers(pm2Home, connected().pm2);
            return `PM2 moved from Node ${move.from} to ${move.version}, and the workers kept serving meanwhile`;
        },
        close: () => connection?.pm2.close(),
        daemon: () => daemonPid(pm2Home),
        list: async () => byId(await list()),
        records: async () => (await readWorkers(layout.workers)).filter(({ candidate }) => !candidate),
        async look({ health, replacing = false }) {
            const { pm2 } = connected();
            const seen = await lookAtWorkers({ layout, pm2, appName });
            const answers = health === undefined ? workers_nothing : await ask(seen, health);
            const ids = replacing ? seen.listed.map(({ process: { id } }) => id) : [];
            const aside = await Promise.all(ids.map((id) => pm2.isReplacing(id)));
            return { ...seen, ...answers, replacing: new Set(ids.filter((_, index) => aside[index])) };
        },
        act: (act) => perform(connected().pm2, act),
        savePm2: () => connected().pm2.save(),
        freeMemory: async () => availableMemory(await daemonPid(pm2Home)),
        instancesOf: (runtime) => instancesOf(runtime, connected().daemon),
        async evidence() {
            const { logs } = connected();
            const written = await list().then((processes) => logsSince(processes, logs), () => '');
            const parts = [lastLines(await daemonLogSince(pm2Home, logs)), lastLines(written)];
            return parts.filter((part) => part !== '').join('\n');
        },
        notFound: (release) => list().then((processes) => notFoundSince(processes, connected().logs, release), () => ''),
        async findReplaced() {
            const now = await running();
            const program = programOf(layout);
            const processes = now.all.filter(({ name }) => name === appName);
            const ours = processes.filter((process) => isOurs(process, program));
            const foreign = processes.filter((process) => !ours.includes(process));
            return lookAtReplaced(layout, { ours, foreign }, now);
        },
        readReplaced: async () => readReplaced(layout),
        writeReplaced: (replaced) => room(() => writeReplaced(layout, replaced)),
        forgetReplaced: () => forgetReplaced(layout),
        putBack: (replaced) => putBack({ layout, pm2: connected().pm2, appName, withReserve: room }, replaced),
        assertClaims: async (address, said) => assertClaims({ layout, appName, address, said }, await running()),
        async assertNoOtherDoor(address) {
            // A preview's socket lies beside its folder, and is nobody else's.
            if (address.socket)
                return;
            await assertNoOtherDoor(layout.base, address, await connected().pm2.all());
        },
    };
}
function perform(pm2, act) {
    switch (act.do) {
        case 'reload':
        case 'restart':
            return pm2[act.do](act.id, act.options);
        case 'stop':
        case 'remove':
        case 'duplicate':
            return pm2[act.do](act.id);
        case 'start':
            return pm2.start(act.app);
        case 'sigint':
            // As PM2 does: the worker closes its door and drains.
            return send(act.pid, 'SIGINT');
        case 'kill':
            return send(act.pid, 'SIGKILL');
        case 'kill-if-hung':
            return killIfHung(act);
    }
}
async function send(pid, name) {
    signal(pid, name);
}
async function killIfHung({ pid, port, check }) {
    const { status } = await askHealth('127.0.0.1', port, check, HUNG);
    if (status === 0)
        signal(pid, 'SIGKILL');
}
const workers_nothing = { answers: new Map(), door: null };
async function ask({ listed }, { release, runtime }) {
    const { health, port } = runtime;
    const records = listed.flatMap(({ record }) => record ?? []);
    const open = records.filter((record) => record.release === release && record.phase === 'open');
    const asked = open.map(async (record) => {
        const answer = await askHealth('127.0.0.1', record.port, health);
        return [record.pid, answer];
    });
    const door = askHealth(reachable(runtime), port, health);
    return { answers: new Map(await Promise.all(asked)), door: await door };
}
async function sizesOf(files) {
    const sizes = files.map(async (file) => [file, (await (0,promises_namespaceObject.stat)(file).catch(() => ({ size: 0 }))).size]);
    return new Map(await Promise.all(sizes));
}

;// CONCATENATED MODULE: ./build/agent/activation/server/world.js
/** An activation on a real server: its files, its clock, its processes and its PM2. */



















/** What the process of an activation does. @throws where there is no verdict */
async function runJob(job) {
    const files = activationFiles(layoutOf(job.base), job.request.activation);
    await withReserve(files.reserve, () => writeOwner(files.owner));
    const endGuard = guardReserve(files.reserve);
    const world = worldOf(job);
    try {
        const verdict = await runActivation(world, job);
        await removeFiles(files);
        return verdict;
    }
    finally {
        endGuard();
        world.close();
    }
}
function worldOf(job) {
    const { activation, release, run } = job.request;
    const layout = layoutOf(job.base);
    const files = activationFiles(layout, activation);
    const room = (act) => withReserve(files.reserve, act);
    const journal = openJournal(layout.journal, activation, room);
    const notice = activationFile(layout.base);
    return {
        now: () => performance.now(),
        sleep: (ms) => (0,external_node_timers_promises_namespaceObject.setTimeout)(ms),
        sinceBoot: sinceBoot,
        toFailure: toFailure,
        journal,
        entries: () => readJournal(layout.journal),
        isLost: () => isLost(layout, job.request),
        ...turnOn(layout, job, journal),
        ...releasesOn(layout, run, room),
        ...workersOn(layout, job, room),
        async finish(other) {
            const interrupted = await readJob(activationFiles(layout, other).job);
            if (interrupted !== null)
                await runJob(interrupted).catch(console.error);
        },
        serving: () => servingRelease(layout).catch(() => null),
        async notify(content) {
            if (content === null)
                return (0,promises_namespaceObject.rm)(notice, { force: true });
            const { pid } = process;
            const file = { pid, startTime: process_identity_startTimeOf(pid) ?? '', target: release, ...content };
            await room(() => writeFileAtomic(notice, JSON.stringify(file), 0o600));
        },
        async dismiss() {
            if (lastActivation(layout.base)?.pid !== process.pid)
                return;
            await (0,promises_namespaceObject.rm)(notice, { force: true }).catch(console.error);
        },
        runHook: (name, commands, { runtime }) => {
            const directory = releaseDirectory(layout, release);
            return runHook({ name, commands, directory, runtime, log: files.hookLog, owner: files.hookOwner });
        },
    };
}

;// CONCATENATED MODULE: ./build/common/errors/run.js
/** What a run as a whole can fail with. */

/** The remedy of a rollback whose release is damaged. */
const CHOOSE_ANOTHER = 'Set `release` to another one of these: {known}.';
const run_texts = {
    'check-failed': {
        message: 'A deploy would fail ({count} ✖). {problem}.',
        remedy: '{remedy}',
        cause: 'The summary of `command: check` has a table of everything that a deploy needs.',
    },
    'check-late': {
        message: 'The agent did not finish the check.',
        remedy: 'Check the server’s load and its disks, then run the check again.',
    },
    'hosts-differ': {
        message: 'The hosts serve different releases: {seen}.',
        remedy: 'Deploy once to all hosts.',
    },
    'unknown-release': {
        message: 'There is no release "{release}" on {hosts}.',
        remedy: 'Set `release` to one of these: {known}.',
    },
    'unknown-release: none': {
        message: 'There is no release "{release}" on {hosts}, nor any other.',
        remedy: 'Deploy first.',
    },
    'no-release-to-go-back-to': {
        message: 'No other release served before the current one.',
        remedy: 'Set `release` to one of these: {known}.',
        cause: 'It was the first deploy, or the older releases were removed: raise `keep-releases` to keep more.',
    },
    'no-release-to-go-back-to: none': {
        message: 'Nothing has been deployed yet.',
        remedy: 'Deploy first.',
    },
    'nothing-staged': {
        message: 'No release is staged on {hosts}.',
        remedy: 'Stage a release with `command: stage`, then promote it.',
        cause: 'The last staged release was promoted, or a newer release went live: a staged release that is older than the current one no longer counts.',
    },
    'not-staged': {
        message: 'Release "{release}" is not staged on {hosts}.',
        remedy: 'Set `release` to a staged release: {known}. To go back to a release that served, use `command: rollback`.',
    },
    'not-staged: live': {
        message: 'Release "{release}" is already the current one.',
        remedy: 'Nothing needs to be done. To promote another release, set `release` to a staged one: {known}.',
    },
    'staged-outdated': {
        message: 'Release "{release}" is older than the current release "{current}".',
        remedy: 'Stage its commit again. To go back to a release that served, use `command: rollback`.',
        cause: 'A newer release went live after this one was staged.',
    },
    'staged-outdated: while staging': {
        message: 'The newer release "{current}" went live while "{release}" was being staged.',
        remedy: 'Run the job again if its release is still wanted.',
    },
    'staged-partly': {
        message: 'Release "{release}" is staged on {staged}, but not on {missing}.',
        remedy: 'Stage again on all hosts, or set `release` to a release that is staged on every host.',
        cause: 'A host was added to `host` after the release was staged.',
    },
    'public-url-unhealthy': {
        message: '"{url}" was not healthy within {limit}: {seen}.',
        remedy: 'Run `curl -i {url}`, and check the proxy, DNS, firewall and TLS in front of the app.',
        cause: 'The release is healthy on the server itself.',
    },
    'run-cut-off': {
        message: 'The run was cancelled before anything live was touched.',
        remedy: 'Run the job again.',
    },
    'run-cut-off: between hosts': {
        message: 'The run was interrupted between two hosts.',
        remedy: 'Run the job again.',
    },
    'run-cut-off: unknown': {
        message: 'The run was interrupted while "{release}" was going live, and the server could not be reached to learn the result: {problem}.',
        remedy: 'Run `command: status` to see what serves, then deploy again.',
    },
    'outputs-unwritten': {
        message: 'The runner could not write the outputs {names}: {problem}.',
        remedy: 'Read above how the run ended. Free disk space on the runner, or check the permissions of `GITHUB_OUTPUT`.',
    },
};
const run_failure = failures(run_texts);

;// CONCATENATED MODULE: ./build/agent/activation/longest-step.js




const longest_step_MARGIN = 5 * 60_000;
/** @param request null where only the journal knows the activation any more */
async function longestStep(layout, request) {
    const ids = await releaseIds(layout);
    const read = await Promise.all(ids.map((id) => readRuntime(layout, id).catch(() => null)));
    const runtimes = read.filter((runtime) => runtime !== null);
    const waits = Math.max(request?.lockTimeoutMs ?? 0, LONGEST_HOOK) + longest_step_MARGIN;
    if (runtimes.length === 0)
        return waits;
    const { listen, kill } = timesOf(runtimes);
    const instances = Math.max(...runtimes.map((runtime) => instancesOf(runtime, null)));
    // Where memory is short the workers are replaced one by one, after those of the last activation have left. The way
    // back may do so twice: under a new daemon once more.
    return waits + 2 * (instances + 1) * (listen + kill);
}

;// CONCATENATED MODULE: ./build/agent/activation/start.js
/** The session's side of an activation: starts it as a process of its own, and watches its journal. */


















/** @throws Failure `activation-died` if its process ended without a verdict, twice; `activation-silent` if it hangs */
async function startActivation(context, request, watcher) {
    const { layout, appName, pm2, pm2Home } = context;
    const { activation } = request;
    const job = {
        base: layout.base,
        appName,
        pm2Path: pm2.path,
        pm2Version: pm2.version,
        pm2Home,
        request,
    };
    await writeFileAtomic(activationFiles(layout, activation).job, JSON.stringify(job), 0o600);
    const from = (await (0,promises_namespaceObject.stat)(layout.journal).catch(() => ({ size: 0 }))).size;
    const running = spawnActivation(context, activation);
    return follow(layout, activation, from, running, () => spawnActivation(context, activation), {
        silenceMs: await longestStep(layout, request),
        ...watcher,
    });
}
/** How long an activation that was just started may take to say who it is, in ms. */
const start_START = 5000;
/**
 * Watches an activation that another session started. One whose process has died is taken up again: every step of
 * it can be repeated.
 * @param context asked for only where it must be taken up
 * @param withdraw end it, unless it has swapped: its run was cancelled
 * @throws Failure `unknown-activation` if it never began, `activation-died` if it ended without a verdict, twice,
 *   `activation-silent` if it hangs
 */
async function watchActivation(layout, context, activation, withdraw, watcher) {
    const files = activationFiles(layout, activation);
    const begun = await exists(files.job);
    if (!begun && !(await hasEntries(layout, activation))) {
        throw activation_failure('unknown-activation');
    }
    if (begun && withdraw) {
        await withReserve(files.reserve, () => (0,promises_namespaceObject.writeFile)(files.withdrawn, '', { mode: 0o600 }));
    }
    const since = performance.now();
    const running = () => ownerLives(files.owner) ?? performance.now() - since <= start_START;
    return follow(layout, activation, 0, running, () => spawnActivation(context(), activation), {
        silenceMs: await longestStep(layout, (await readJob(files.job))?.request ?? null),
        ...watcher,
    });
}
async function hasEntries({ journal }, activation) {
    for await (const _ of followJournal(journal, 0, activation, () => true))
        return true;
    return false;
}
function spawnActivation({ layout, agentFile, pm2Home, node, cwd = layout.base }, activation) {
    const files = activationFiles(layout, activation);
    const log = (0,external_node_fs_namespaceObject.openSync)(files.log, 'a', 0o600);
    // The session's bootstrap proved the file, and that may be a whole build ago.
    if (!isWhatWasSent(agentFile)) {
        (0,external_node_fs_namespaceObject.writeSync)(log, `${agentFile} is not the agent that was sent\n`);
        (0,external_node_fs_namespaceObject.closeSync)(log);
        return () => false;
    }
    // A session of its own and a log of its own: the end of the SSH session is no event for it.
    const child = (0,external_node_child_process_namespaceObject.spawn)(node, [agentFile, 'activate', files.job], {
        cwd,
        env: { ...cleanEnvironment(node), PM2_HOME: pm2Home },
        stdio: ['ignore', log, log],
        detached: true,
    });
    (0,external_node_fs_namespaceObject.closeSync)(log);
    let running = true;
    child.once('exit', () => (running = false));
    child.once('error', () => (running = false));
    child.unref();
    return () => running;
}
/** The agent's file is named by its hash: see bootstrap.ts. */
function isWhatWasSent(agentFile) {
    try {
        return (0,external_node_path_namespaceObject.basename)(agentFile, '.cjs') === sha256((0,external_node_fs_namespaceObject.readFileSync)(agentFile));
    }
    catch {
        return false;
    }
}
/** A process that cannot even be started, on a full or a read-only disk, says nothing about what the one before did. */
function attempt(start, onError) {
    try {
        return start();
    }
    catch (error) {
        onError(error);
        return null;
    }
}
/** A process that runs and does nothing: its disk hangs, or somebody stopped it. It is not killed: it may have swapped. */
function silent(silenceMs) {
    return activation_failure('activation-silent', { limit: formatLimit(Math.ceil(silenceMs / 60_000) * 60_000) });
}
/** @param again starts its process once more, where it died without a verdict */
async function follow(layout, activation, from, first, again, { onEntry, alive, silenceMs }) {
    const { job, log } = activationFiles(layout, activation);
    let position = from;
    let trouble = '';
    for (const start of [() => first, again]) {
        if (start === again && !(await exists(job)))
            break;
        const running = attempt(start, (error) => (trouble = error.message));
        if (running === null)
            break;
        let heard = performance.now();
        const ended = () => {
            if (running() && performance.now() - heard > silenceMs)
                throw silent(silenceMs);
            alive();
            return !running();
        };
        for await (const { entry, end } of followJournal(layout.journal, position, activation, ended)) {
            position = end;
            heard = performance.now();
            onEntry(entry);
            if (entry.verdict !== null)
                return entry.verdict;
            if (entry.probation === null)
                continue;
            const own = (await readJournal(layout.journal)).filter((one) => one.activation === activation);
            const ended = own.find(({ verdict }) => verdict !== null)?.verdict;
            if (ended)
                return ended;
            const isRestoring = own.some(({ step }) => step === 'rollback');
            const line = own.findLast(({ step, state }) => step === 'watch' && state === 'note')?.detail ?? '';
            // It goes on by itself, for longer than anybody should have to wait.
            if (running() && !isRestoring)
                return { ...entry.probation.verdict, watch: { open: true, line, warnings: [] } };
        }
    }
    const output = lastLines(await (0,promises_namespaceObject.readFile)(log, 'utf8').catch(() => ''));
    const died = activation_failure('activation-died', {}, { evidence: [output, trouble].filter(Boolean).join('\n') });
    if (hasTouched(await readJournal(layout.journal), activation))
        throw died;
    // The journal is written before anything live is touched: what is not in it has not been done.
    return keptVerdict(await servingRelease(layout), died.toRecord());
}

;// CONCATENATED MODULE: ./build/agent/store/code.js
/**
 * Which files of a release are code: a build writes them, and servers only read them. Releases share the inodes
 * of code. The app may write to any other file, so each release has its own copy.
 */


/** Packages, but neither the ones in `public` nor the folder where packages keep caches. */
const PACKAGES = /^(?:(?!public\/)[^/]+\/)*?node_modules\/(?!\.cache\/)/;
/** Below `distDir`: the data cache, ISR pages (Next.js 14 overwrites them in place), the route cache (15, 16). */
const WRITTEN_BY_NEXT = ['cache', 'server/app', 'server/pages', 'server/route-cache'];
const COMPILED = /^server\/(app|pages)\/.*\.(js|mjs|cjs|map|nft\.json)$/;
/** @param distDir of Next.js, relative to the release */
function isCode(path, distDir) {
    if (path === LAUNCHER || PACKAGES.test(path))
        return true;
    if (!path.startsWith(`${distDir}/`))
        return isEntry(path, distDir);
    const inDist = path.slice(distDir.length + 1);
    return !WRITTEN_BY_NEXT.some((folder) => inDist.startsWith(`${folder}/`)) || COMPILED.test(inDist);
}
/** The app's server.js is beside or above `distDir`. */
function isEntry(path, distDir) {
    const folder = /^(.*\/)?server\.js$/.exec(path);
    return folder !== null && distDir.startsWith(folder[1] ?? '');
}
/** Whether Next.js itself writes the file at run time: pages and data that it can render and fetch again. */
function isCacheOfNext(path, distDir) {
    return path.startsWith(`${distDir}/`) && !isCode(path, distDir);
}
/** The folders of which `isCacheOfNext` is true, relative to the release. */
function cacheFolders(distDir) {
    return WRITTEN_BY_NEXT.map((folder) => `${distDir}/${folder}`);
}
/** Each release has its own launcher: a damaged one is replaced by another release's. */
function mayBeShared(path, distDir) {
    return path !== LAUNCHER && isCode(path, distDir);
}
/** Releases of the first versions do not record it. */
function distDirOf({ distDir, staticPath, entry }) {
    if (distDir !== null)
        return distDir;
    return staticPath === null ? external_node_path_namespaceObject.posix.join(external_node_path_namespaceObject.posix.dirname(entry), '.next') : external_node_path_namespaceObject.posix.dirname(staticPath);
}

;// CONCATENATED MODULE: ./build/agent/store/sources.js
/** Which contents this server already has: in its releases, and in leftovers of interrupted uploads. */








/** An upload's name, and its name once its session is over. A resumed upload can be interrupted again. */
const UPLOAD = /^\d{14}(\.(\d+\.)?interrupted)?$/;
const INTERRUPTED = '.interrupted';
/** Renames what an upload has received when its session is over, so that the next upload finds it. */
async function setAside(directory) {
    for (let count = 0;; count += 1) {
        try {
            return await (0,promises_namespaceObject.rename)(directory, `${directory}${count === 0 ? '' : `.${count}`}${INTERRUPTED}`);
        }
        catch (error) {
            // An interrupted upload of the same id is there.
            if (!['ENOTEMPTY', 'EEXIST'].includes(error.code ?? ''))
                throw error;
        }
    }
}
/**
 * Ends the session that an upload belongs to, if it is still there: its connection was lost, but the server may
 * not have noticed. Sets aside what has arrived.
 */
async function takeOverUpload(layout, id) {
    const directory = (0,external_node_path_namespaceObject.join)(layout.incoming, id);
    await endOwner(uploadOwner(directory));
    // The upload may have become a release, or its own session may have set it aside.
    if (await exists(directory))
        await setAside(directory);
}
/** The file that names the session of an upload, and of its release: nobody removes that while the session lives. */
function uploadOwner(directory) {
    return (0,external_node_path_namespaceObject.join)(releaseFiles(directory).own, 'owner.json');
}
function contentKey(file) {
    return `${file.hash} ${file.mode}`;
}
/**
 * Notes a source for each wanted content; the newest wins. Whoever copies the file must verify it.
 * @param neighbours apps whose releases are sources too, the best last
 */
async function findSources(layout, wanted, except, neighbours = []) {
    for (const neighbour of neighbours)
        await noteReleases(neighbour, wanted);
    for (const directory of await uploads(layout)) {
        // An upload has only some of its files.
        if (directory !== except)
            await note(directory, wanted, hasSize);
    }
    await noteReleases(layout, wanted);
}
async function noteReleases(layout, wanted) {
    for (const id of await releaseIds(layout)) {
        await note(releaseDirectory(layout, id), wanted, async () => true);
    }
}
/**
 * @param base the release that the upload names its differences from: all other files are there
 * @param wanted as `findSources` has filled it
 */
function sourcesIn(layout, base, wanted) {
    const from = base === null ? '' : releaseDirectory(layout, base);
    return (file) => {
        const found = wanted.get(contentKey(file));
        return found === undefined ? { file: (0,external_node_path_namespaceObject.join)(from, file.path), path: file.path } : found;
    };
}
async function note(directory, wanted, isThere) {
    const hashes = new Set([...wanted.keys()].map((key) => key.slice(0, key.indexOf(' '))));
    const isWanted = (line) => hashes.has(hashInLine(line) ?? '');
    try {
        for await (const entry of readManifest(releaseFiles(directory).manifest, isWanted)) {
            if (entry.kind !== 'file')
                continue;
            const key = contentKey(entry);
            const file = (0,external_node_path_namespaceObject.join)(directory, entry.path);
            if (wanted.has(key) && (await isThere(file, entry.size)))
                wanted.set(key, { file, path: entry.path });
        }
    }
    catch {
        // A damaged release is no source; what it lacks is sent again.
    }
}
async function hasSize(path, size) {
    const stat = await (0,promises_namespaceObject.lstat)(path).catch(() => null);
    return stat?.size === size;
}
async function uploads(layout) {
    const names = await (0,promises_namespaceObject.readdir)(layout.incoming).catch(() => []);
    return names.filter((name) => UPLOAD.test(name)).map((name) => (0,external_node_path_namespaceObject.join)(layout.incoming, name));
}
/** Removes the uploads whose sessions are over. Hard links to their files stay. */
async function removeInterrupted(layout) {
    for (const directory of await uploads(layout)) {
        const over = directory.endsWith(INTERRUPTED) || ownerLives(uploadOwner(directory)) === false;
        if (over)
            await (0,promises_namespaceObject.rm)(directory, { recursive: true, force: true });
    }
}

;// CONCATENATED MODULE: ./build/agent/store/repair.js
/** Restores missing or damaged entries of a release from other releases. */








/**
 * Restores entries of a release's manifest. A file is copied from the newest release that has its content;
 * links and folders need no source.
 * @param repair false: changes nothing
 * @returns the entries that were restored, or could be
 */
async function repairEntries(layout, id, entries, repair) {
    const directory = releaseDirectory(layout, id);
    const repaired = new Set();
    const wanted = new Map();
    for (const entry of entries) {
        if (!(await staysInside(directory, entry.path)))
            continue;
        if (entry.kind === 'file') {
            const key = contentKey(entry);
            wanted.set(key, [...(wanted.get(key) ?? []), entry]);
        }
        else {
            if (!repair || (await repair_putBack((0,external_node_path_namespaceObject.join)(directory, entry.path), entry)))
                repaired.add(entry);
        }
    }
    for (const other of [...(await releaseIds(layout))].reverse()) {
        if (wanted.size === 0)
            break;
        for await (const { key, file } of repair_filesOf(layout, other, wanted)) {
            for (const entry of wanted.get(key) ?? []) {
                if (!repair || (await repair_putBack((0,external_node_path_namespaceObject.join)(directory, entry.path), entry, file)))
                    repaired.add(entry);
            }
            wanted.delete(key);
        }
    }
    return repaired;
}
/** Yields the files of a release whose content is wanted, and verified. */
async function* repair_filesOf(layout, id, wanted) {
    const directory = releaseDirectory(layout, id);
    try {
        for await (const entry of readManifest(releaseFiles(directory).manifest)) {
            if (entry.kind !== 'file' || !wanted.has(contentKey(entry)))
                continue;
            const file = (0,external_node_path_namespaceObject.join)(directory, entry.path);
            if (await has(file, entry))
                yield { key: contentKey(entry), file };
        }
    }
    catch {
        // A release whose manifest cannot be read has no verified files.
    }
}
async function has(file, { size, hash }) {
    const stat = await (0,promises_namespaceObject.lstat)(file).catch(() => null);
    return stat?.isFile() === true && stat.size === size && (await hashFile(file, size)) === hash;
}
/** @returns false where the disk, or what is in the entry's place, does not allow it */
async function repair_putBack(path, entry, source = '') {
    try {
        const stat = await (0,promises_namespaceObject.lstat)(path).catch(() => null);
        // A file is replaced by a rename: workers may be reading it.
        const replaceable = entry.kind === 'file' && stat?.isFile() === true;
        if (stat !== null && !replaceable)
            await (0,promises_namespaceObject.rm)(path, { recursive: true, force: true });
        makeReadableFolder(entry.kind === 'directory' ? path : (0,external_node_path_namespaceObject.dirname)(path));
        if (entry.kind === 'file')
            await copyAtomic(source, path, entry.mode);
        else if (entry.kind === 'link')
            await (0,promises_namespaceObject.symlink)(entry.target, path);
        return true;
    }
    catch {
        return false;
    }
}
/** Returns false where a link stands for a folder on the way: what is behind it does not belong to the release. */
async function staysInside(directory, path) {
    for (let folder = (0,external_node_path_namespaceObject.dirname)(path); folder !== '.'; folder = (0,external_node_path_namespaceObject.dirname)(folder)) {
        const real = await (0,promises_namespaceObject.realpath)((0,external_node_path_namespaceObject.join)(directory, folder)).catch(() => null);
        if (real !== null)
            return real === (0,external_node_path_namespaceObject.join)(await (0,promises_namespaceObject.realpath)(directory), folder);
    }
    return true;
}

;// CONCATENATED MODULE: ./build/agent/store/written.js







/** Whether a file was written after the release was complete. Uploaded files have an earlier time. */
function isWrittenSince({ mtimeMs }, { created }) {
    return mtimeMs > Date.parse(created);
}
/** Returns whether paths of a release live in `<path>/shared`. */
async function inShared(layout, id) {
    const { entry } = await readInfo(layout, id);
    const { sharedDirs, sharedFiles } = await readRuntime(layout, id);
    const paths = [...sharedDirs, ...sharedFiles].map((path) => external_node_path_namespaceObject.posix.join(external_node_path_namespaceObject.posix.dirname(entry), path));
    return (path) => paths.some((shared) => path === shared || path.startsWith(`${shared}/`));
}
/**
 * Finds the files that the app wrote into a release: files that the manifest does not name, and files outside of code
 * that differ from the upload. What the other release has too, such as a sitemap made at boot, is not lost.
 * @param other the release that serves instead of this one
 * @returns paths relative to the app; a folder, with a slash, where the manifest names nothing in it
 */
async function writtenFiles(layout, id, other) {
    const info = await readInfo(layout, id);
    const distDir = distDirOf(info);
    const isShared = await inShared(layout, id);
    const [directory, elsewhere] = [releaseDirectory(layout, id), releaseDirectory(layout, other)];
    const named = new Map();
    for await (const entry of readManifest(releaseFiles(directory).manifest)) {
        named.set(entry.path, entry.kind === 'file' ? entry : null);
        for (let folder = (0,external_node_path_namespaceObject.dirname)(entry.path); !named.has(folder); folder = (0,external_node_path_namespaceObject.dirname)(folder))
            named.set(folder, null);
    }
    const isLost = async (path) => {
        const [file, theirs] = [(0,external_node_path_namespaceObject.join)(directory, path), (0,external_node_path_namespaceObject.join)(elsewhere, path)];
        const stat = await written_statOf(file);
        const entry = named.get(path) ?? null;
        if (stat === null || (entry !== null && !isWrittenSince(stat, info)))
            return false;
        if (entry?.size === stat.size && (await hashOf(file)) === entry.hash)
            return false;
        const same = await written_statOf(theirs);
        if (same?.isFile() !== true || same.size !== stat.size)
            return true;
        const hash = await hashOf(file);
        return hash === null || hash !== (await hashOf(theirs));
    };
    /** @param whole the manifest names nothing in here: the first file is enough */
    const lostIn = async (folder, whole) => {
        const entries = await (0,promises_namespaceObject.readdir)((0,external_node_path_namespaceObject.join)(directory, folder), { withFileTypes: true }).catch(() => null);
        if (entries === null)
            return [`${folder}/`];
        const lost = [];
        for (const each of entries) {
            const path = external_node_path_namespaceObject.posix.join(folder, each.name);
            if (path === OWN || isShared(path) || isBuilt(path, distDir))
                continue;
            if (each.isDirectory()) {
                const isNamed = named.has(path);
                const found = await lostIn(path, whole || !isNamed);
                if (found.length > 0)
                    lost.push(...(isNamed ? found : [`${path}/`]));
            }
            else if (each.isFile() && (await isLost(path)))
                lost.push(path);
            if (whole && lost.length > 0)
                break;
        }
        return lost;
    };
    const app = external_node_path_namespaceObject.posix.dirname(info.entry);
    return (await lostIn('.', false)).map((path) => {
        const inApp = external_node_path_namespaceObject.posix.relative(app, path);
        return path.endsWith('/') ? `${inApp}/` : inApp;
    });
}
function written_statOf(file) {
    return (0,promises_namespaceObject.lstat)(file).catch(() => null);
}
function hashOf(file) {
    return hashFile(file).catch(() => null);
}
const OWN = '.gapless';
/** What the build, Next.js or the agent puts there, and the folder of packages or of the build. */
function isBuilt(path, distDir) {
    const inside = `${path}/`;
    return [path, inside].some((each) => isCode(each, distDir) || isCacheOfNext(each, distDir));
}

;// CONCATENATED MODULE: ./build/agent/store/integrity.js
/** Whether a release still is what was uploaded. */










/**
 * Verifies the manifest by its hash, and the release by its manifest. Restores what is missing or damaged from a
 * release that still has it. A file outside of code that was written later stays: it may be the app's data, such as a
 * SQLite file, which the build's copy would destroy. Shared paths are skipped.
 * @param repair false: change nothing, and report what could be restored
 * @returns paths that were restored, and paths outside of code that differ from the upload
 * @throws Failure `release-damaged` naming the first path of code that cannot be restored
 */
async function checkIntegrity(layout, id, repair = false, alive = () => undefined) {
    const directory = releaseDirectory(layout, id);
    const { manifest } = releaseFiles(directory);
    const info = await readInfo(layout, id);
    const distDir = distDirOf(info);
    const isShared = await inShared(layout, id);
    const hashFile = fileHasher();
    const damaged = (path, problem) => server_failure('release-damaged', { release: id, path, problem });
    // An unreadable file is not what was uploaded.
    const hashOf = async (path, size) => {
        try {
            return await hashFile(path, size);
        }
        catch {
            return null;
        }
    };
    const stateOf = async (entry) => {
        const path = (0,external_node_path_namespaceObject.join)(directory, entry.path);
        const stat = await (0,promises_namespaceObject.lstat)(path).catch(() => null);
        if (stat === null)
            return 'missing';
        if (entry.kind === 'directory')
            return 'whole';
        const same = entry.kind === 'link'
            ? stat.isSymbolicLink() && (await (0,promises_namespaceObject.readlink)(path)) === entry.target
            : isCacheOfNext(entry.path, distDir) ||
                (stat.isFile() && stat.size === entry.size && (await hashOf(path, entry.size)) === entry.hash);
        if (same)
            return 'whole';
        return !isCode(entry.path, distDir) && isWrittenSince(stat, info) ? 'written' : 'changed';
    };
    let files = 0;
    let bytes = 0;
    const changed = [];
    const wrong = new Map();
    try {
        // A shorter manifest would verify less.
        if ((await hashFile(manifest)) !== info.contentHash)
            throw damaged(manifest, 'was modified');
        for await (const entry of readManifest(manifest)) {
            if (isShared(entry.path))
                continue;
            const state = await stateOf(entry);
            if (state === 'written')
                changed.push(entry.path);
            else if (state !== 'whole')
                wrong.set(entry, state);
            alive();
            if (entry.kind !== 'file')
                continue;
            files += 1;
            bytes += entry.size;
        }
    }
    catch (error) {
        if (error.code === 'ENOENT')
            throw damaged(manifest, 'is missing');
        throw error;
    }
    const repaired = await repairEntries(layout, id, [...wrong.keys()], repair);
    for (const [entry, state] of wrong) {
        if (repaired.has(entry))
            continue;
        if (isCode(entry.path, distDir))
            throw damaged(entry.path, state === 'missing' ? 'is missing' : 'was modified');
        changed.push(entry.path);
    }
    return { files, bytes, repaired: [...repaired].map(({ path }) => path), changed: changed.sort() };
}

;// CONCATENATED MODULE: ./build/agent/activation/candidate.js
/** Boots a release on a spare port, through the launcher, exactly as PM2 will, and asks its health. */














const candidate_POLL = 50;
/** A candidate that ignores SIGTERM serves nobody and may be killed, after this many milliseconds. */
const STOP_TIMEOUT = 3000;
/** What a candidate may take beyond the deadline of its health check: its start, a last answer, its stop. In ms. */
const candidate_MARGIN = 60_000;
/**
 * @throws Failure `candidate-died`, `candidate-unhealthy` or `candidate-silent`, with the app's last lines
 */
async function verifyCandidate(layout, id, runtime, start, alive = () => undefined, trial = null) {
    const directory = releaseDirectory(layout, id);
    const { launcher } = releaseFiles(directory);
    const { node, cwd, env, limits } = start;
    const options = nodeArguments(runtime.nodeOptions, directory, (await readInfo(layout, id)).entry);
    const logFile = (0,external_node_path_namespaceObject.join)(layout.incoming, `${id}.candidate.log`);
    const log = (0,external_node_fs_namespaceObject.openSync)(logFile, 'w+', 0o600);
    // Without a name it goes with the processes that have it open, whichever of them is killed.
    (0,external_node_fs_namespaceObject.rmSync)(logFile);
    const child = (0,external_node_child_process_namespaceObject.spawn)('/bin/sh', 
    // It begins once it is on record.
    ['-c', `read -r go || exit\n${limits}\nexec "$0" "$@"`, node, ...options, launcher, '--candidate'], 
    // A group of its own: what the app starts goes with it.
    { cwd, env, stdio: ['pipe', log, log, 'ipc'], detached: true });
    const exit = new Promise((resolve) => {
        child.once('error', ({ message }) => resolve(`could not start (${message})`));
        child.once('exit', (code, signal) => resolve(signal === null ? `exited with code ${code}` : `was killed by ${signal}`));
    });
    let ended;
    void exit.then((how) => (ended = how));
    let forget;
    try {
        forget = await candidate_begin(layout, child, runtime.health.timeoutMs + candidate_MARGIN + (trial?.limitMs ?? 0));
        const { port, found } = await watch();
        if (trial === null)
            return found;
        const death = exit.then((ending) => {
            throw activation_failure('candidate-died: tested', { ending }, { evidence: seenInLog().evidence });
        });
        await Promise.race([death, trial.use(port, found)]);
        return { ...found, notFound: notFoundIn(candidate_endOf(log)) };
    }
    finally {
        await stop(child, exit);
        await forget?.();
        (0,external_node_fs_namespaceObject.closeSync)(log);
    }
    async function watch() {
        const { health } = runtime;
        const begun = performance.now();
        let last = 'it has not listened yet';
        let attempts = 0;
        for (;;) {
            if (ended !== undefined)
                throw died(ended);
            const worker = await readWorker(layout.workers, child.pid ?? 0);
            if (worker?.phase === 'open') {
                // The launcher has proved it on its private port; now through the door, as visitors will come.
                const answer = await askHealth('127.0.0.1', worker.doorPort, health);
                attempts += 1;
                last = `${health.path} answered ${answer.detail}`;
                if (answer.healthy) {
                    const bootMs = Math.round(performance.now() - begun);
                    const found = {
                        bootMs,
                        status: answer.status,
                        attempts,
                        movedPorts: worker.movedPorts ?? [],
                        notFound: notFoundIn(candidate_endOf(log)),
                        cache: worker.cache,
                    };
                    return { port: worker.doorPort, found };
                }
            }
            else if (worker !== null && worker.detail !== '') {
                last = `${health.path} answered ${worker.detail}${worker.excerpt === '' ? '' : `: ${worker.excerpt}`}`;
            }
            if (performance.now() - begun > health.timeoutMs) {
                throw late(formatDuration(health.timeoutMs), worker !== null && worker.port > 0 ? last : null);
            }
            alive();
            await (0,external_node_timers_promises_namespaceObject.setTimeout)(candidate_POLL);
        }
    }
    function died(ending) {
        const { address, ...details } = seenInLog();
        return address === undefined
            ? activation_failure('candidate-died', { ending }, details)
            : activation_failure('candidate-died: address in use', { ending, address }, details);
    }
    /** @param answer the last one; null: it never listened */
    function late(limit, answer) {
        const { address, ...details } = seenInLog();
        if (answer === null) {
            return address === undefined
                ? activation_failure('candidate-silent', { limit }, details)
                : activation_failure('candidate-silent: address in use', { limit, address }, details);
        }
        return address === undefined
            ? activation_failure('candidate-unhealthy', { limit, answer }, details)
            : activation_failure('candidate-unhealthy: address in use', { limit, answer, address }, details);
    }
    function seenInLog() {
        const text = candidate_endOf(log);
        return { address: takenAddress(text), evidence: lastLines(text) };
    }
}
/** The last address that Node found in use (18 to 24): `listen EADDRINUSE: address already in use :::9464`. */
function takenAddress(text) {
    return [...text.matchAll(/\bEADDRINUSE(?:: address already in use)? (\S{1,200})/g)].at(-1)?.[1];
}
/**
 * Lets a candidate begin, on record. Its standard input is at its end, as a worker's is: whoever started PM2's daemon
 * has gone.
 * @returns what ends the record
 */
async function candidate_begin(layout, { pid, stdin }, limitMs) {
    // It may have ended already: then that is what there is to tell.
    stdin?.on('error', () => undefined);
    if (pid === undefined)
        return undefined;
    const forget = await recordCandidate(layout, pid, limitMs);
    stdin?.end('go\n');
    return forget;
}
/** In bytes. */
const LONGEST_END = 64 * 1024;
/** At a position of its own: the app goes on writing where it is. */
function candidate_endOf(log) {
    const { size } = (0,external_node_fs_namespaceObject.fstatSync)(log);
    const end = Buffer.alloc(Math.min(size, LONGEST_END));
    const length = (0,external_node_fs_namespaceObject.readSync)(log, end, 0, end.length, size - end.length);
    return end.toString('utf8', 0, length);
}
async function stop(child, exit) {
    const { pid } = child;
    if (pid === undefined)
        return;
    // SIGKILL to the group at the end in any case: the app may have started processes of its own.
    if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await Promise.race([exit, (0,external_node_timers_promises_namespaceObject.setTimeout)(STOP_TIMEOUT, undefined, { ref: false })]);
    }
    signal(-pid, 'SIGKILL');
    // One that hangs in the kernel is not waited for: it does nothing more.
    await Promise.race([exit, (0,external_node_timers_promises_namespaceObject.setTimeout)(STOP_TIMEOUT, undefined, { ref: false })]);
}

;// CONCATENATED MODULE: ./build/agent/store/reported.js




const MOST_PATHS = 20;
/**
 * Searches releases that have served and were not searched since.
 * @param live the release that serves instead; null: none, and nothing is reported
 */
async function reportWritten(layout, live, ids) {
    const written = [];
    const fresh = new Set();
    for (const id of ids) {
        if (live === null || id === live)
            continue;
        const served = await verificationOf(layout, id).catch(() => null);
        const { reported } = filesOf(layout, id);
        if (served === null)
            continue;
        // A release that serves again is searched again.
        const mark = JSON.stringify({ activation: served.activation });
        if ((await readIfThere(reported)) === mark)
            continue;
        // A release with damaged metadata reports nothing.
        const paths = await writtenFiles(layout, id, live).catch(() => []);
        // On a full disk the release is reported again later; that must not keep it on the disk.
        const marked = await writeFileAtomic(reported, mark, 0o644).then(() => true, () => false);
        if (paths.length === 0)
            continue;
        written.push({ release: id, paths: paths.slice(0, MOST_PATHS), count: paths.length });
        if (marked)
            fresh.add(id);
    }
    return { written, fresh };
}

;// CONCATENATED MODULE: ./build/agent/operations/cleanup.js
/**
 * Removes old releases: never the current, the previous, or one in use, and none before a cleanup has reported what the
 * app wrote into it. Also removes leftovers of dead runs, earlier agents, and the beginning of the journal.
 */















/** Something younger than this without an owner may be about to get one, in ms. */
const JUST_BEGUN = 60_000;
/** An agent that no session has used for this long belongs to a version that nobody runs any more, in ms. */
const AGENT_UNUSED = 7 * 24 * 60 * 60_000;
/**
 * Does nothing while another deploy holds the lock: that deploy cleans up after itself.
 * @param keep verified releases to keep, the current one included
 * @param activation of this run, whose process may still be releasing the lock
 */
async function cleanUp(layout, keep, activation = null, alive = () => undefined) {
    const lock = await lockUnlessHeld(layout, activation);
    if (typeof lock === 'string')
        return { removed: [], inUse: [], kept: await releaseIds(layout), leftTo: lock, written: [] };
    try {
        await endOrphanedCandidates(layout);
        const live = await liveRelease(layout);
        const ids = await releaseIds(layout);
        const doomed = await outdated(layout, keep, {
            ids,
            live,
            previous: await previousRelease(layout, live),
            verified: await verifiedAmong(layout, ids),
        });
        const used = await releasesInUse(layout, ids);
        // A release that was reported now stays until the next cleanup, so that its files can be fetched.
        const { written, fresh } = await reportWritten(layout, live, ids);
        const removed = doomed.filter((id) => !used.has(id) && !fresh.has(id));
        for (const id of removed) {
            await removeRelease(layout, id);
            alive();
        }
        await removeLeftovers(layout);
        await removeOldAgents(layout);
        await trimJournal(layout.journal);
        await dropPreparedLinks(layout);
        return {
            removed,
            inUse: doomed.filter((id) => used.has(id)),
            kept: ids.filter((id) => !removed.includes(id)),
            leftTo: null,
            written,
        };
    }
    finally {
        await lock.release();
    }
}
/** An activation releases the lock a moment after its verdict, in ms. */
const AFTERMATH = 5000;
async function lockUnlessHeld({ lock }, activation) {
    let holder = '';
    const giveUp = async () => {
        const other = await lockedFor(lock);
        return other !== null && other !== activation;
    };
    try {
        return await takeLock(lock, 'a cleanup', AFTERMATH, { onWait: (words) => (holder = words), giveUp });
    }
    catch (error) {
        if (!['locked', 'withdrawn'].includes(Failure.from(error).code))
            throw error;
        return holder;
    }
}
async function verifiedAmong(layout, ids) {
    const times = await Promise.all(ids.map((id) => activatedAt(layout, id).catch(() => null)));
    return ids.filter((_, index) => times[index] !== null);
}
/** Returns the releases that are no longer wanted; a process may still use one. */
async function outdated(layout, keep, { ids, live, previous, verified }) {
    // Without a current release nothing tells which ones matter.
    if (live === null)
        return [];
    const wanted = new Set([...verified.slice(-keep), live, previous]);
    const claimed = await claimedReleases(layout, ids);
    return ids.filter((id) => !wanted.has(id) && !claimed.has(id) && id < live);
}
/** Returns what the cleanup after a run would remove, as things are now. @param release that the run would activate */
async function releasesToRemove(layout, keep, release) {
    const ids = await releaseIds(layout);
    const verified = new Set([...(await verifiedAmong(layout, ids)), release]);
    const doomed = await outdated(layout, keep, {
        ids,
        live: release,
        previous: ids.includes(release) ? await previousRelease(layout, release) : await liveRelease(layout),
        verified: [...verified].sort(),
    });
    const used = await releasesInUse(layout, ids);
    return doomed.filter((id) => !used.has(id));
}
/** Returns the releases on their way: their session lives, or their activation waits for the lock. */
async function claimedReleases(layout, ids) {
    const sent = ids.filter((id) => ownerLives(uploadOwner(releaseDirectory(layout, id))) === true);
    const jobs = (await (0,promises_namespaceObject.readdir)(layout.activations).catch(() => [])).filter((name) => name.endsWith('.json'));
    const waiting = await Promise.all(jobs.map((name) => releaseOf((0,external_node_path_namespaceObject.join)(layout.activations, name))));
    return new Set([...sent, ...waiting]);
}
async function releaseOf(jobFile) {
    if (ownerLives(cleanup_ownerOf(jobFile)) === false)
        return '';
    return (await readJob(jobFile))?.request.release ?? '';
}
/** Returns the releases that are a process's working directory, or that a worker's record names. */
async function releasesInUse(layout, ids) {
    const directories = [...workingDirectories().values()];
    // The kernel reports real paths, and the app's folder may be reached through a link.
    const releases = await (0,promises_namespaceObject.realpath)(layout.releases).catch(() => layout.releases);
    const workers = await readWorkers(layout.workers);
    return new Set(ids.filter((id) => {
        const directory = (0,external_node_path_namespaceObject.join)(releases, id);
        return (workers.some(({ release }) => release === id) ||
            directories.some((used) => used === directory || used.startsWith(directory + external_node_path_namespaceObject.sep)));
    }));
}
async function removeLeftovers(layout) {
    const { incoming, activations, own, lock, workers, candidates } = layout;
    for (const name of await (0,promises_namespaceObject.readdir)(incoming)) {
        const path = (0,external_node_path_namespaceObject.join)(incoming, name);
        const abandoned = ownerLives(uploadOwner(path)) !== true && (await isOlder(path, JUST_BEGUN));
        if (abandoned)
            await (0,promises_namespaceObject.rm)(path, { recursive: true, force: true });
    }
    for (const name of await (0,promises_namespaceObject.readdir)(activations)) {
        const path = (0,external_node_path_namespaceObject.join)(activations, name);
        // A hook outlives its activation, and has an owner file of its own.
        const lives = ownerLives(cleanup_ownerOf(path)) === true || ownerLives(path) === true;
        if (!lives && (await isOlder(path, JUST_BEGUN)))
            await (0,promises_namespaceObject.rm)(path, { recursive: true, force: true });
    }
    await removeDeadWorkers(workers);
    for (const folder of [own, lock, workers, candidates, (0,external_node_path_namespaceObject.join)(own, 'agent')]) {
        for (const name of await (0,promises_namespaceObject.readdir)(folder).catch(() => [])) {
            const path = (0,external_node_path_namespaceObject.join)(folder, name);
            if (ASIDE.test(name) && (await isOlder(path, JUST_BEGUN)))
                await (0,promises_namespaceObject.rm)(path, { recursive: true, force: true });
        }
    }
}
/** Temporary names: such a file stays where its process was killed before the rename. */
const ASIDE = /^\.|\.tmp$|\.cjs\.\d+$/;
/** The owner file beside any file of an activation. */
function cleanup_ownerOf(path) {
    return path.replace(/\.\w+$/, '.owner');
}
/** A session marks the agent that it loads as used (bootstrap.ts). */
async function removeOldAgents({ own }) {
    for (const name of await (0,promises_namespaceObject.readdir)((0,external_node_path_namespaceObject.join)(own, 'agent')).catch(() => [])) {
        const path = (0,external_node_path_namespaceObject.join)(own, 'agent', name);
        if (await isOlder(path, AGENT_UNUSED))
            await (0,promises_namespaceObject.rm)(path, { force: true });
    }
}
/** @param age in ms */
async function isOlder(path, age) {
    const stat = await (0,promises_namespaceObject.lstat)(path).catch(() => null);
    return stat !== null && Date.now() - stat.mtimeMs > age;
}

;// CONCATENATED MODULE: ./build/protocol/tunnel.js

const tunnel_kind = { open: 1, data: 2, end: 3, credit: 4, reset: 5 };
const HEADER = 5;
/** What one side may send of a stream before the other side has passed it on, in bytes. */
const WINDOW = 256 * 1024;
/** The last piece of a window may go beyond it: Node reads at most so much of a socket at once, in bytes. */
const LARGEST_PIECE = 64 * 1024;
/** A window is given back in parts, in bytes. */
const PART = WINDOW / 4;
/** Streams at once: a connection beyond is reset. */
const MOST_STREAMS = 1000;
function createTunnel({ send, connect }) {
    const streams = new Map();
    let lastId = 0;
    let closed = false;
    async function tell(id, what, payload = tunnel_NOTHING) {
        if (closed)
            return;
        const header = Buffer.allocUnsafe(HEADER);
        header.writeUInt32BE(id, 0);
        header.writeUInt8(what, 4);
        await send(Buffer.concat([header, payload]));
    }
    /** @param socket one that allows half of it to be open */
    function attach(id, socket) {
        /** What the other side takes for now, in bytes. */
        let credit = WINDOW;
        let sending = false;
        /** What this side has not passed on, and what of the rest it has not given back yet, in bytes. */
        let kept = 0;
        let passed = 0;
        const ended = { here: false, there: false };
        const goOn = () => {
            if (!sending && credit > 0)
                socket.resume();
        };
        const give = (bytes) => {
            kept -= bytes;
            passed += bytes;
            if (passed < PART || !streams.has(id))
                return;
            const amount = Buffer.allocUnsafe(4);
            amount.writeUInt32BE(passed);
            passed = 0;
            void tell(id, tunnel_kind.credit, amount);
        };
        const handle = (what, payload) => {
            switch (what) {
                case tunnel_kind.data:
                    kept += payload.length;
                    if (kept > WINDOW + LARGEST_PIECE)
                        throw malformed('a stream has sent more than its window');
                    socket.write(payload, () => give(payload.length));
                    return;
                case tunnel_kind.end:
                    ended.there = true;
                    socket.end();
                    return;
                case tunnel_kind.credit:
                    if (payload.length !== 4)
                        throw malformed('a credit has no size');
                    credit += payload.readUInt32BE(0);
                    goOn();
                    return;
                case tunnel_kind.reset:
                    streams.delete(id);
                    tunnel_reset(socket);
                    return;
                default:
                    throw malformed(`a stream has a frame of kind ${what}`);
            }
        };
        streams.set(id, { handle, reset: () => tunnel_reset(socket) });
        // An error is followed by a close.
        socket.on('error', () => undefined);
        socket.on('data', (chunk) => {
            socket.pause();
            credit -= chunk.length;
            sending = true;
            void tell(id, tunnel_kind.data, chunk).then(() => {
                sending = false;
                goOn();
            });
        });
        socket.on('end', () => {
            ended.here = true;
            void tell(id, tunnel_kind.end);
        });
        socket.on('close', () => {
            const isKnown = streams.delete(id);
            if (isKnown && !(ended.here && ended.there))
                void tell(id, tunnel_kind.reset);
        });
        socket.resume();
    }
    return {
        carry(socket) {
            if (closed || streams.size >= MOST_STREAMS)
                return tunnel_reset(socket);
            lastId += 1;
            void tell(lastId, tunnel_kind.open);
            attach(lastId, socket);
        },
        receive(frame) {
            if (closed)
                return;
            if (frame.length < HEADER)
                throw malformed(`a stream’s frame has ${frame.length} bytes`);
            const id = frame.readUInt32BE(0);
            const what = frame.readUInt8(4);
            if (what !== tunnel_kind.open) {
                // Frames may be under way to a stream that has just been reset.
                streams.get(id)?.handle(what, frame.subarray(HEADER));
                return;
            }
            if (connect === undefined || streams.has(id))
                throw malformed(`stream ${id} cannot be opened`);
            if (streams.size < MOST_STREAMS)
                attach(id, connect());
            else
                void tell(id, tunnel_kind.reset);
        },
        close() {
            closed = true;
            for (const stream of streams.values())
                stream.reset();
            streams.clear();
        },
    };
}
const tunnel_NOTHING = Buffer.alloc(0);
/** So that nobody takes what has arrived for all. Node has it from 18.3 on. */
function tunnel_reset(socket) {
    const { resetAndDestroy } = socket;
    if (resetAndDestroy === undefined)
        socket.destroy();
    else
        resetAndDestroy.call(socket);
}

;// CONCATENATED MODULE: ./build/agent/operations/tunnel-for.js
/** Lets the runner's test reach a candidate through the call that started it. */


/** Signs of life while the test says nothing, in ms. */
const BEAT = 1000;
function tunnelFor({ body, event, send, alive }, limitMs) {
    return {
        limitMs,
        async use(port, found) {
            const tunnel = createTunnel({
                send,
                connect: () => (0,external_node_net_namespaceObject.connect)({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true }),
            });
            const beat = setInterval(alive, BEAT);
            try {
                event(found);
                // It ends with the test, and fails with the connection.
                for await (const frame of body)
                    tunnel.receive(frame);
            }
            finally {
                clearInterval(beat);
                tunnel.close();
            }
        },
    };
}

;// CONCATENATED MODULE: ./build/agent/system/parallel.js
/** Calls `act` on all items, `limit` at once. Rejects with the first failure, once the running calls have ended. */
async function inParallel(items, limit, act) {
    const rest = each(items);
    let failed = false;
    const work = async () => {
        for (;;) {
            const { done, value } = await rest.next();
            if (done === true || failed)
                return;
            try {
                await act(value);
            }
            catch (error) {
                failed = true;
                throw error;
            }
        }
    };
    const results = await Promise.allSettled(Array.from({ length: limit }, work));
    await rest.return();
    for (const result of results)
        if (result.status === 'rejected')
            throw result.reason;
}
async function* each(items) {
    yield* items;
}

;// CONCATENATED MODULE: ./build/agent/system/sync-file-system.js
/** Flushes a whole file system: for very many files this costs far less than flushing each. */



/** The names that `statfs` gives ext2 to 4, XFS and btrfs. */
const KNOWN = new Set([0xef53, 0x58465342, 0x9123683e]);
/** In ms. On a disk with many other writers it would take longer. */
const LIMIT = 20_000;
/** The server's `sync` does not change. */
function fileSystemSync() {
    let isGnu;
    return async (folder) => {
        if (!kernelTells((0,external_node_os_namespaceObject.release)()) || !KNOWN.has((await (0,promises_namespaceObject.statfs)(folder)).type))
            return false;
        isGnu ??= output(['--version']).then((version) => version?.includes('GNU coreutils') === true);
        return (await isGnu) && (await output(['-f', folder])) !== null;
    };
}
function kernelTells(version) {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return major > 5 || (major === 5 && minor >= 8);
}
function output(args) {
    return new Promise((resolve) => {
        const timer = setTimeout(resolve, LIMIT, null);
        const done = (text) => {
            clearTimeout(timer);
            resolve(text);
        };
        try {
            (0,external_node_child_process_namespaceObject.execFile)('sync', args, { env: process.env }, (error, text) => done(error === null ? text : null));
        }
        catch {
            // Throws where the process could not be started at all.
            done(null);
        }
    });
}

;// CONCATENATED MODULE: ./build/agent/system/flush.js
/** Flushes what has arrived while more arrives. */




function startFlushing(directory) {
    const syncAll = fileSystemSync();
    let last = Promise.resolve();
    let before = last;
    return {
        async add(files) {
            await before;
            before = last;
            last = before.then(() => flush(directory, files, syncAll));
            last.catch(() => undefined);
        },
        done: () => last,
    };
}
/** From this many files on, the whole file system is flushed at once. */
const MANY_FILES = 200;
/**
 * Flushing files one by one waits for the disk each time; this many at once share the wait. Node has four
 * threads for files: one stays free for decompression.
 */
const FLUSHED_AT_ONCE = 3;
async function flush(directory, files, syncAll) {
    if (files.length >= MANY_FILES && (await syncAll(directory)))
        return;
    await inParallel(files, FLUSHED_AT_ONCE, ({ path }) => syncFile((0,external_node_path_namespaceObject.join)(directory, path)));
}

;// CONCATENATED MODULE: ./build/agent/store/caches.js
/**
 * The caches of a release while somebody tests it. Pages that were rendered for a test must not be served to visitors, so
 * the files are put back as they were uploaded.
 */









/**
 * Copies the files that Next.js may write at run time. Shared paths are left alone: they are the live release's too.
 * @returns what puts the copies back, and removes what was written beside them; call it once nothing runs there any more
 */
async function keepCaches(layout, id, alive = () => undefined) {
    const directory = releaseDirectory(layout, id);
    const { manifest, caches } = releaseFiles(directory);
    const distDir = distDirOf(await readInfo(layout, id));
    const isShared = await inShared(layout, id);
    await (0,promises_namespaceObject.rm)(caches, { recursive: true, force: true });
    const kept = new Map();
    for await (const entry of readManifest(manifest)) {
        if (entry.kind !== 'file' || !isCacheOfNext(entry.path, distDir) || isShared(entry.path))
            continue;
        const source = (0,external_node_path_namespaceObject.join)(directory, entry.path);
        const copy = (0,external_node_path_namespaceObject.join)(caches, entry.path);
        await (0,promises_namespaceObject.mkdir)((0,external_node_path_namespaceObject.dirname)(copy), { recursive: true, mode: 0o700 });
        await copyKeepingTime(source, copy, entry.mode, await (0,promises_namespaceObject.lstat)(source));
        kept.set(entry.path, entry);
        alive();
    }
    /** Never follows a link. */
    async function removeWritten(folder) {
        const entries = await (0,promises_namespaceObject.readdir)((0,external_node_path_namespaceObject.join)(directory, folder), { withFileTypes: true }).catch(() => []);
        for (const entry of entries) {
            const path = external_node_path_namespaceObject.posix.join(folder, entry.name);
            if (isShared(path))
                continue;
            if (entry.isDirectory())
                await removeWritten(path);
            else if (isCacheOfNext(path, distDir) && !kept.has(path))
                await (0,promises_namespaceObject.rm)((0,external_node_path_namespaceObject.join)(directory, path), { force: true });
        }
    }
    return async () => {
        // As the upload did: a power cut must not leave half of a page.
        const flushing = startFlushing(caches);
        await flushing.add([...kept.values()]);
        await flushing.done();
        for (const folder of cacheFolders(distDir)) {
            if (!isShared(folder) && (await isFolder((0,external_node_path_namespaceObject.join)(directory, folder))))
                await removeWritten(folder);
        }
        for (const path of kept.keys()) {
            await (0,promises_namespaceObject.mkdir)((0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.join)(directory, path)), { recursive: true, mode: 0o755 });
            await (0,promises_namespaceObject.rename)((0,external_node_path_namespaceObject.join)(caches, path), (0,external_node_path_namespaceObject.join)(directory, path));
            alive();
        }
        await (0,promises_namespaceObject.rm)(caches, { recursive: true, force: true });
    };
}
async function isFolder(path) {
    const stat = await (0,promises_namespaceObject.lstat)(path).catch(() => null);
    return stat?.isDirectory() === true;
}

;// CONCATENATED MODULE: ./build/agent/store/encryption-key.js
/**
 * The key with which Next.js names and encrypts server actions (14.2, 15.5, 16.4). All releases of an app share
 * one: otherwise a page from before a deploy calls actions that the new release does not know.
 */






const BYTES = 32;
function encryptionKeyFile({ own }) {
    return (0,external_node_path_namespaceObject.join)(own, 'keys', 'server-actions');
}
/**
 * Returns the app's key. The first deploy creates it; two deploys at the same moment return the same key.
 * @returns base64, or null where there is none
 * @throws Failure `encryption-key-damaged`
 */
async function encryptionKey(layout, create) {
    const file = encryptionKeyFile(layout);
    const there = await readKey(file);
    if (there !== null || !create)
        return there;
    await (0,promises_namespaceObject.mkdir)((0,external_node_path_namespaceObject.dirname)(file), { recursive: true, mode: 0o700 });
    const mine = `${file}.${(0,external_node_crypto_namespaceObject.randomBytes)(6).toString('hex')}`;
    await writeFileAtomic(mine, `${(0,external_node_crypto_namespaceObject.randomBytes)(BYTES).toString('base64')}\n`, 0o600);
    try {
        // A link never replaces the key of another deploy. A file system without hard links has only the rename, which does.
        await (0,promises_namespaceObject.link)(mine, file).catch((error) => error.code === 'EEXIST' ? undefined : (0,promises_namespaceObject.rename)(mine, file));
        await syncFolder((0,external_node_path_namespaceObject.dirname)(file));
    }
    finally {
        await (0,promises_namespaceObject.rm)(mine, { force: true });
    }
    return readKey(file);
}
async function readKey(file) {
    const key = (await readIfThere(file))?.trim();
    if (key === undefined)
        return null;
    if (ACTIONS_KEY.test(key))
        return key;
    throw server_failure('encryption-key-damaged', { file });
}

;// CONCATENATED MODULE: ./build/agent/system/login-path.js
/** The PATH of the user's login shell: it has Node and PM2, however they were installed. */





/** Returns its folders, or none. The bootstrap has asked already where it found no Node otherwise. */
function loginPath() {
    const path = process.env[LOGIN_PATH] ?? askLoginShell();
    return path.split(external_node_path_namespaceObject.delimiter).filter((folder) => folder.startsWith('/'));
}
function askLoginShell() {
    const shell = process.env['SHELL'] ?? (0,external_node_os_namespaceObject.userInfo)().shell;
    if (shell === null || shell === '')
        return '';
    // Startup files may print anything.
    const mark = (0,external_node_crypto_namespaceObject.randomUUID)();
    const { stdout } = (0,external_node_child_process_namespaceObject.spawnSync)(shell, ['-lic', `echo; echo ${mark}; exec printenv PATH`], {
        stdio: ['ignore', 'pipe', 'ignore'],
        encoding: 'utf8',
        timeout: LOGIN_SHELL_TIMEOUT * 1000,
        // An interactive bash ignores SIGTERM.
        killSignal: 'SIGKILL',
    });
    const lines = (stdout ?? '').split('\n');
    const at = lines.lastIndexOf(mark);
    return at < 0 ? '' : (lines[at + 1] ?? '');
}

;// CONCATENATED MODULE: ./build/agent/pm2/find.js
/** Finds the installed PM2: SSH sessions often lack the PATH of the user's own shell. */






/** @param binPath folders that the user named, searched first */
function findPm2(binPath) {
    const home = (0,external_node_os_namespaceObject.homedir)();
    const runtime = (0,external_node_path_namespaceObject.join)(home, runtimeFolder);
    const named = binPath.map(expandHome);
    const folders = [...named, runtime, ...searchPath()];
    const searched = new Set();
    // The login shell is slow: it is asked only where the session's own PATH has no PM2.
    for (const more of [() => folders, loginPath, () => usualFolders(home)]) {
        for (const folder of more()) {
            if (searched.has(folder))
                continue;
            searched.add(folder);
            const found = pm2In(folder);
            if (found !== null)
                return { found, searched: [...searched] };
        }
    }
    return { found: null, searched: [...searched] };
}
/** Where version managers and package managers install global programs. */
function usualFolders(home) {
    const inHome = (folder) => (0,external_node_path_namespaceObject.join)(home, folder);
    return [
        ...npmPrefix(home),
        ...homeFolders.map(inHome),
        ...[...versionFolders, ...pm2Folders].map(inHome).flatMap(versions),
        ...systemVersionFolders.flatMap(versions),
        ...systemFolders,
    ];
}
/**
 * Returns the folders that match a pattern with one `*`, newest first; the pattern itself where it has none.
 */
function versions(pattern) {
    const star = pattern.split('/').findIndex((part) => part.includes('*'));
    if (star < 0)
        return [pattern];
    const parts = pattern.split('/');
    const folder = parts.slice(0, star).join('/');
    const [prefix = ''] = (parts[star] ?? '').split('*');
    const found = find_list(folder).filter((name) => name.startsWith(prefix));
    return found.length === 0 ? [pattern] : found.map((name) => (0,external_node_path_namespaceObject.join)(folder, name, ...parts.slice(star + 1)));
}
/** Returns npm's own setting for global programs. */
function npmPrefix(home) {
    try {
        const [, prefix] = /^[ \t]*prefix[ \t]*=[ \t]*["']?([^"'\r\n]+)/m.exec((0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(home, '.npmrc'), 'utf8')) ?? [];
        if (prefix === undefined)
            return [];
        return [(0,external_node_path_namespaceObject.join)(prefix.trim().replace(/^(?:~|\$\{HOME\}|\$HOME)(?=\/)/, home), 'bin')];
    }
    catch {
        return [];
    }
}
/** Returns PM2's package behind `<folder>/pm2`, or beside it where the command is a script. */
function pm2In(folder) {
    const command = (0,external_node_path_namespaceObject.join)(folder, 'pm2');
    if (!(0,external_node_fs_namespaceObject.existsSync)(command))
        return null;
    const roots = [
        (0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.dirname)(realpath(command))),
        (0,external_node_path_namespaceObject.join)(folder, '../lib/node_modules/pm2'),
        (0,external_node_path_namespaceObject.join)(folder, 'node_modules/pm2'),
        ...find_list((0,external_node_path_namespaceObject.join)(folder, 'global')).map((version) => (0,external_node_path_namespaceObject.join)(folder, 'global', version, 'node_modules/pm2')),
    ];
    for (const root of roots) {
        try {
            const { name, version } = JSON.parse((0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(root, 'package.json'), 'utf8'));
            if (name === 'pm2' && typeof version === 'string')
                return { version, path: realpath(root) };
        }
        catch {
            // Not PM2's package: keep searching.
        }
    }
    return null;
}
function realpath(path) {
    try {
        return (0,external_node_fs_namespaceObject.realpathSync)(path);
    }
    catch {
        return path;
    }
}
function find_list(folder) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(folder).sort().reverse();
    }
    catch {
        return [];
    }
}

;// CONCATENATED MODULE: ./build/protocol/subtrees.js
/**
 * A hash for every folder of a release, over everything below it: where two releases have the same hash,
 * nothing below the folder needs to be named.
 */


/**
 * Takes the entries of a manifest in its order (by bytes, so that the entries of a folder are together) and
 * calls `complete` for each folder once it is complete: children first, the root last.
 */
function subtreeHasher(complete) {
    const open = [subtrees_begin('')];
    const close = () => {
        const { path, entries, hash } = open.pop();
        const digest = hash.digest();
        const parent = open.at(-1);
        parent?.hash.update(`${digest.toString('hex')}\n`);
        if (parent)
            parent.entries += entries;
        complete({ path, entries, hash: digest });
    };
    return {
        add(entry) {
            while (!subtrees_isBelow(entry.path, open.at(-1).path))
                close();
            let from = open.at(-1).path.length + 1;
            if (from === 1)
                from = 0;
            for (let slash = entry.path.indexOf('/', from); slash >= 0; slash = entry.path.indexOf('/', slash + 1)) {
                open.push(subtrees_begin(entry.path.slice(0, slash)));
            }
            const folder = open.at(-1);
            folder.hash.update(formatEntry(entry));
            folder.entries += 1;
        },
        end() {
            while (open.length > 0)
                close();
        },
    };
}
function subtrees_begin(path) {
    return { path, hash: (0,external_node_crypto_namespaceObject.createHash)('sha256'), entries: 0 };
}
function subtrees_isBelow(path, folder) {
    return folder === '' || (path.startsWith(folder) && path[folder.length] === '/');
}
/** Bytes of a hash in an outline. The whole manifest's hash finds a wrong match, which costs one more try. */
const SHORT = 6;
/** A smaller folder is named entry by entry at the same cost: 8 characters here against some 40 bytes a file. */
const WORTH_IT = 4;
function isOutlined({ entries }) {
    return entries >= WORTH_IT;
}
/** Returns a subtree's hash as in an outline. */
function shortHash({ hash }) {
    return hash.subarray(0, SHORT);
}
/** Returns the short hashes of an outline as a set. @param outline base64 */
function readOutline(outline) {
    const bytes = Buffer.from(outline, 'base64');
    const known = new Set();
    for (let at = 0; at + SHORT <= bytes.length; at += SHORT)
        known.add(bytes.toString('latin1', at, at + SHORT));
    return { has: (subtree) => isOutlined(subtree) && known.has(shortHash(subtree).toString('latin1')) };
}

;// CONCATENATED MODULE: ./build/common/errors/upload.js
/** Sending a release and receiving it. */

const upload_texts = {
    'base-changed': {
        message: 'The release that this upload builds on has changed on the server.',
        remedy: 'Deploy again.',
        cause: 'Another deploy removed old releases, or somebody changed one by hand.',
    },
    'upload-corrupt': {
        message: 'The upload arrived damaged: {problem}.',
        remedy: 'Deploy again. If it fails again, check the server’s disk.',
    },
    'upload-incomplete': {
        message: 'The upload is incomplete: {problem}.',
        remedy: 'Deploy again. Files that have arrived are not sent twice.',
    },
    'no-such-upload': {
        message: 'The server knows of no such upload in this session.',
        remedy: 'Deploy again, and open an issue with the summary of both runs.',
    },
    'release-exists': {
        message: 'Another deploy has taken the release id "{release}" on this host.',
        remedy: 'Deploy again.',
        cause: 'Two deploys to one host started in the same second.',
    },
};
const upload_failure = failures(upload_texts);

;// CONCATENATED MODULE: ./build/agent/upload/outline.js
/**
 * An upload names only its differences from a release on the server, its base. The agent first sends the base's
 * outline, short hashes of its folders; the runner leaves out the same folders, and the agent fills them in.
 */







/**
 * Returns the outline of the newest release with a readable manifest.
 * @param others apps whose releases do as well, where the app itself has none
 */
async function outline(layout, ...others) {
    for (const base of [...(await releaseIds(layout))].reverse()) {
        try {
            const hashes = [];
            const hasher = subtreeHasher((subtree) => {
                if (isOutlined(subtree))
                    hashes.push(shortHash(subtree));
            });
            for await (const entry of readManifest(filesOf(layout, base).manifest))
                hasher.add(entry);
            hasher.end();
            if (hashes.length > 0)
                return { base, folders: Buffer.concat(hashes).toString('base64') };
        }
        catch {
            // A damaged release is no base.
        }
    }
    const [other, ...more] = others;
    return other === undefined ? { base: null, folders: '' } : outline(other, ...more);
}
/** @throws Failure `base-changed` when the base lacks what the upload leaves out */
async function* fillIn(layout, base, difference) {
    const entries = base === null ? outline_none() : readManifest(filesOf(layout, base).manifest);
    try {
        let next = await nextOf(entries);
        for await (const line of readLines(difference)) {
            const entry = parseDifference(line);
            if (entry.kind !== 'same') {
                yield { entry, named: true };
                continue;
            }
            while (next !== null && !subtrees_isBelow(next.path, entry.path))
                next = await nextOf(entries);
            if (next === null)
                throw baseChanged();
            while (next !== null && subtrees_isBelow(next.path, entry.path)) {
                yield { entry: next, named: false };
                next = await nextOf(entries);
            }
        }
    }
    finally {
        await entries.return();
    }
}
/** @param hash of the whole manifest that has arrived. @throws Failure `base-changed` or `upload-corrupt` */
function assertWhole(hash, contentHash, base) {
    if (hash === contentHash)
        return;
    throw base === null
        ? upload_failure('upload-corrupt', { problem: 'its manifest has another hash' })
        : baseChanged();
}
function baseChanged() {
    return upload_failure('base-changed');
}
async function nextOf(entries) {
    try {
        const { done, value } = await entries.next();
        return done === true ? null : value;
    }
    catch {
        // The base was removed, or is damaged.
        throw baseChanged();
    }
}
async function* outline_none() {
    yield* [];
}

;// CONCATENATED MODULE: ./build/common/check.js
const ok = (what, value) => ({ level: 'ok', what, value, remedy: null });
const doubt = (what, value, remedy) => {
    return { level: 'doubt', what, value, remedy };
};
const fail = (what, value, remedy) => {
    return { level: 'fail', what, value, remedy };
};

;// CONCATENATED MODULE: ./build/agent/operations/survey.js
/** check's rows that only the agent can tell: PM2, what else it runs, and what earlier runs left. Changes nothing. */











function sayNodeStays({ from, version }, hindrance) {
    return (`PM2's daemon stays on Node ${from}, although setup brought ${version}: ${hindrance}. ` +
        `${NODE_STAYS_REMEDY}.`);
}
const NODE_STAYS_REMEDY = 'Run `pm2 update` on the server at a quiet time, which restarts all its apps';
async function survey({ layout, appName, home, now: { all }, move, }) {
    const others = all.filter(({ name }) => name !== appName);
    const rows = [
        nodeOfPm2(move),
        await savedList(home, all),
        await lock(layout),
        await leftovers(layout),
        await otherApps(others),
        await otherOrphans(layout, others),
    ];
    return rows.filter((row) => row !== null);
}
function nodeOfPm2(move) {
    if (move === null)
        return null;
    const { from, version, hindrance } = move;
    const value = `PM2's daemon runs on Node ${from}, and setup brought ${version}`;
    return hindrance === null
        ? ok('PM2’s Node.js', `${value}: the next deploy moves PM2 without a gap`)
        : doubt('PM2’s Node.js', `${value}: ${hindrance}`, `${NODE_STAYS_REMEDY}.`);
}
/** What starts after a reboot. Each deploy saves the list. */
async function savedList(home, all) {
    const what = 'PM2’s saved list';
    const running = counted(all.filter(isRunningUnder).map(({ name }) => name));
    if (running.size === 0)
        return null;
    const saved = await (0,promises_namespaceObject.readFile)((0,external_node_path_namespaceObject.join)(home, 'dump.pm2'), 'utf8').then(namesIn, () => null);
    const remedy = 'Run `pm2 save` on the server, or deploy.';
    if (saved === null)
        return doubt(what, 'nothing is saved: no app starts after a reboot', remedy);
    const names = counted(saved);
    const missing = [...running].filter(([name, count]) => (names.get(name) ?? 0) < count).map(([name]) => name);
    return missing.length === 0
        ? ok(what, `has all ${plural(running.size, 'app')} that run`)
        : doubt(what, `lacks ${missing.join(', ')}, or some of its workers`, remedy);
}
function namesIn(text) {
    return JSON.parse(text).map(({ name }) => String(name));
}
function counted(names) {
    const counts = new Map();
    for (const name of names)
        counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
}
/** One that is held is a finding of the dry run. */
async function lock({ lock: folder }) {
    if ((await lockHolder(folder)) !== null)
        return null;
    const names = (await (0,promises_namespaceObject.readdir)(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
    const texts = await Promise.all(names.map((name) => (0,promises_namespaceObject.readFile)((0,external_node_path_namespaceObject.join)(folder, name), 'utf8').catch(() => '')));
    const isStale = texts.some((text) => text !== '');
    return ok('Lock', isStale ? 'void: its process is gone, and the next run takes it over' : 'free');
}
async function leftovers({ incoming, activations }) {
    const list = (folder) => (0,promises_namespaceObject.readdir)(folder).catch(() => []);
    const uploads = (await list(incoming)).filter((name) => ownerLives(uploadOwner((0,external_node_path_namespaceObject.join)(incoming, name))) !== true);
    const dead = (await list(activations)).filter((name) => name.endsWith('.owner') && ownerLives((0,external_node_path_namespaceObject.join)(activations, name)) === false);
    const count = uploads.length + dead.length;
    return count === 0
        ? ok('Leftovers', 'none of interrupted runs')
        : doubt('Leftovers', `of ${plural(count, 'interrupted run')}`, 'Deploy: the cleanup of a deploy removes what is older than a minute.');
}
async function otherApps(others) {
    const names = [...new Set(others.map(({ name }) => name))];
    if (names.length === 0)
        return null;
    const doors = await openDoors(others);
    const told = names.map((name) => {
        const ports = [...new Set(doors.filter((door) => door.name === name).map(({ port }) => port))];
        const path = others.filter((other) => other.name === name).map(folderOf)[0];
        const parts = [...ports.map((port) => `port ${port}`), ...(path == null ? [] : [path])];
        return parts.length === 0 ? name : `${name} (${parts.join(', ')})`;
    });
    return ok('Other apps', listed(told.slice(0, 10), told.length));
}
async function otherOrphans({ base }, others) {
    const folders = new Set(others.map(folderOf).filter((folder) => folder !== null));
    const found = [];
    for (const folder of folders) {
        if (isSameFolder(folder, base))
            continue;
        const { length } = orphansIn(await readWorkers(layoutOf(folder).workers));
        if (length > 0)
            found.push(`${plural(length, 'worker')} in ${folder}`);
    }
    return found.length === 0
        ? null
        : doubt('Other workers', `${found.join(', ')} serve without PM2`, 'Deploy that app, which takes over.');
}

;// CONCATENATED MODULE: external "node:zlib"
const external_node_zlib_namespaceObject = require("node:zlib");
var external_node_zlib_default = /*#__PURE__*/__nccwpck_require__.n(external_node_zlib_namespaceObject);
;// CONCATENATED MODULE: ./build/agent/upload/receive.js
/** Turns the stream of an upload into files, each verified by its hash. */










/** Up to this size a file is verified before anything of it is written, in bytes. */
const receive_SMALL = 256 * 1024;
/** In bytes. Each chunk costs a turn of the event loop. A frame of an upload unpacks to about this size. */
const CHUNK = 1024 * 1024;
/** Decompresses a body. @throws Failure `upload-corrupt` when it cannot be, and the body's own errors */
async function* decompress(body, compression = 'brotli') {
    let lost;
    async function* watched() {
        const chunks = body[Symbol.asyncIterator]();
        const lose = (error) => {
            lost = error;
            throw error;
        };
        // Not by `yield*`: it would take an error of the decompression, which ends this generator, for the body's.
        for (;;) {
            const next = await chunks.next().catch(lose);
            if (next.done === true)
                return;
            yield next.value;
        }
    }
    const contents = compression === 'zstd'
        ? external_node_zlib_default().createZstdDecompress({ chunkSize: CHUNK })
        : external_node_zlib_default().createBrotliDecompress({ chunkSize: CHUNK });
    const source = (0,external_node_stream_promises_namespaceObject.pipeline)(external_node_stream_namespaceObject.Readable.from(watched()), contents);
    // The pipeline may fail while earlier chunks are still being processed: that must not end the process.
    source.catch(() => undefined);
    try {
        for await (const chunk of contents)
            yield chunk;
        await source;
    }
    catch (cause) {
        throw lost ?? upload_failure('upload-corrupt', { problem: 'it cannot be decompressed' }, { cause });
    }
}
/**
 * Writes the files of one stream of contents, in order, without flushing them.
 * @param time of modification, the same on all hosts: Next.js derives `Last-Modified` and `ETag` from it
 * @throws Failure `upload-corrupt`, `upload-incomplete`
 */
async function receive(directory, files, time, folder, contents) {
    const pieces = piecesOf(contents);
    const buffer = Buffer.allocUnsafe(receive_SMALL);
    try {
        for (const file of files) {
            const path = (0,external_node_path_namespaceObject.join)(directory, file.path);
            folder((0,external_node_path_namespaceObject.dirname)(path));
            await (file.size <= receive_SMALL
                ? writeSmall(path, file, time, pieces, buffer)
                : writeLarge(path, file, time, pieces));
        }
        if ((await pieces.next(1)) !== null)
            throw upload_failure('upload-corrupt', { problem: 'more arrived than the manifest names' });
    }
    finally {
        await pieces.close();
    }
}
/** Returns a function that creates each folder once. */
function folderMaker() {
    const made = new Set();
    return (folder) => {
        if (made.has(folder))
            return;
        makeReadableFolder(folder);
        made.add(folder);
    };
}
function piecesOf(chunks) {
    let chunk = Buffer.alloc(0);
    return {
        async next(limit) {
            while (chunk.length === 0) {
                const { done, value } = await chunks.next();
                if (done === true)
                    return null;
                chunk = value;
            }
            const piece = chunk.subarray(0, limit);
            chunk = chunk.subarray(piece.length);
            return piece;
        },
        async close() {
            await chunks.return();
        },
    };
}
const NEW = external_node_fs_namespaceObject.constants.O_WRONLY | external_node_fs_namespaceObject.constants.O_CREAT | external_node_fs_namespaceObject.constants.O_EXCL;
/** Synchronous: the steps take less time than the turns of the event loop. */
async function writeSmall(path, file, time, pieces, buffer) {
    const content = buffer.subarray(0, file.size);
    for (let length = 0; length < file.size;) {
        const piece = await pieces.next(file.size - length);
        if (piece === null)
            throw endedIn(file);
        length += piece.copy(content, length);
    }
    assertHash(file, sha256(content));
    const handle = (0,external_node_fs_namespaceObject.openSync)(path, NEW, file.mode);
    try {
        for (let written = 0; written < content.length;)
            written += (0,external_node_fs_namespaceObject.writeSync)(handle, content, written);
        (0,external_node_fs_namespaceObject.fchmodSync)(handle, file.mode);
        (0,external_node_fs_namespaceObject.futimesSync)(handle, time, time);
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(handle);
    }
}
async function writeLarge(path, file, time, pieces) {
    const hash = (0,external_node_crypto_namespaceObject.createHash)('sha256');
    try {
        await withFile(path, NEW, file.mode, async (handle) => {
            for (let left = file.size; left > 0;) {
                const piece = await pieces.next(left);
                if (piece === null)
                    throw endedIn(file);
                left -= piece.length;
                hash.update(piece);
                await handle.writeFile(piece);
            }
            await handle.chmod(file.mode);
            await handle.utimes(time, time);
        });
        assertHash(file, hash.digest('hex'));
    }
    catch (error) {
        await (0,promises_namespaceObject.rm)(path, { force: true });
        throw error;
    }
}
function endedIn(file) {
    return upload_failure('upload-incomplete', { problem: `the contents ended inside ${JSON.stringify(file.path)}` });
}
function assertHash(file, hash) {
    if (hash !== file.hash) {
        throw upload_failure('upload-corrupt', { problem: `${JSON.stringify(file.path)} has another hash` });
    }
}

;// CONCATENATED MODULE: ./build/agent/system/disk-space.js
/** Whether the disk has room for a release, checked before any content is written. */



const BLOCK = 4096;
/** For the release's metadata, the journal and other writers on the same disk, in bytes. */
const SPARE = 4 * 1024 * 1024;
function addFile(need, size) {
    need.bytes += Math.ceil(size / BLOCK) * BLOCK;
    need.inodes += 1;
}
/** @throws Failure `disk-full` */
async function assertDiskSpace(folder, need) {
    const failure = await lackOfDiskSpace(folder, need);
    if (failure !== null)
        throw failure;
}
/** @returns Failure `disk-full`, or null where there is room */
async function lackOfDiskSpace(folder, need) {
    const { bavail, bsize, files, ffree } = await (0,promises_namespaceObject.statfs)(folder);
    const lacking = (needed, free) => server_failure('disk-full: no room', { needed, free }, { evidence: `in ${folder}` });
    if (bavail * bsize < need.bytes + SPARE) {
        return lacking(formatBytes(need.bytes + SPARE), formatBytes(bavail * bsize));
    }
    // Some file systems (btrfs) have no fixed number of inodes and report 0.
    if (files > 0 && ffree < need.inodes)
        return lacking(`${need.inodes} inodes`, String(ffree));
    return null;
}

;// CONCATENATED MODULE: ./build/common/bitmap.js
/** One bit for each file of a manifest, in its order. */
class Bitmap {
    #bytes;
    #count = 0;
    constructor(bytes = new Uint8Array(0)) {
        this.#bytes = bytes;
        for (const byte of bytes)
            for (let bits = byte; bits > 0; bits &= bits - 1)
                this.#count += 1;
    }
    /** @param text base64; what it is too short for is not set */
    static parse(text) {
        return new Bitmap(Buffer.from(text, 'base64'));
    }
    get count() {
        return this.#count;
    }
    has(index) {
        return (((this.#bytes[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
    }
    set(index) {
        if (this.has(index))
            return;
        const at = index >> 3;
        if (at >= this.#bytes.length) {
            const larger = new Uint8Array(Math.max(16, at + 1, this.#bytes.length * 2));
            larger.set(this.#bytes);
            this.#bytes = larger;
        }
        this.#bytes[at] = this.#bytes[at] | (1 << (index & 7));
        this.#count += 1;
    }
    include(other) {
        for (let index = 0; index < other.#bytes.length * 8; index += 1)
            if (other.has(index))
                this.set(index);
    }
    /** Returns base64, up to the last bit that is set. */
    format() {
        const end = this.#bytes.findLastIndex((byte) => byte !== 0) + 1;
        return Buffer.from(this.#bytes.subarray(0, end)).toString('base64');
    }
}

;// CONCATENATED MODULE: ./build/agent/upload/reuse.js
/** Reuses files that other releases on the server have, and verifies each. */









/** Node has four threads for files; the hashing happens between their turns. */
const AT_ONCE = 8;
/** Starts at once, and runs while other files still arrive. @param flushing gets the files that are not flushed yet */
function startReuse(directory, distDir, entries, flushing) {
    const damaged = new Bitmap();
    const unflushed = [];
    const folder = folderMaker();
    const hashFile = fileHasher();
    // It is unknown which files of an interrupted upload were flushed.
    const uploads = (0,external_node_path_namespaceObject.dirname)(directory) + external_node_path_namespaceObject.sep;
    let stopped = false;
    let provenBytes = 0;
    const act = async ({ entry, index, source }) => {
        if (stopped)
            return;
        const path = (0,external_node_path_namespaceObject.join)(directory, entry.path);
        if (entry.kind === 'directory')
            return folder(path);
        folder((0,external_node_path_namespaceObject.dirname)(path));
        if (entry.kind === 'link')
            return (0,promises_namespaceObject.symlink)(entry.target, path);
        if (source === null)
            return;
        const shares = sharesInode(entry, source, distDir);
        const taken = await reuseFile(hashFile, source.file, entry, path, shares);
        if (taken === null)
            return damaged.set(index);
        if (taken === 'copy' || source.file.startsWith(uploads))
            unflushed.push(entry);
        provenBytes += entry.size;
    };
    const done = inParallel(entries, AT_ONCE, act).then(async () => {
        if (!stopped)
            await flushing.add(unflushed);
        return damaged;
    });
    // Callers that stop early do not wait for `damaged`.
    done.catch(() => undefined);
    return {
        damaged: done,
        provenBytes: () => provenBytes,
        async stop() {
            stopped = true;
            await done.catch(() => undefined);
        },
    };
}
/** Whether the new file becomes a hard link. Both must be code: an empty module and an empty upload are the same. */
function sharesInode(entry, source, distDir) {
    return mayBeShared(entry.path, distDir) && mayBeShared(source.path, distDir);
}
/**
 * Takes a file from another release, with its modification time, and verifies the copy: a file that no longer has the
 * bytes of its manifest never becomes part of a new release.
 * @returns how the file was taken; null: it is damaged or gone
 */
async function reuseFile(hashFile, source, entry, path, shares) {
    const stat = (0,external_node_fs_namespaceObject.lstatSync)(source, { throwIfNoEntry: false });
    if (!stat?.isFile() || stat.size !== entry.size)
        return null;
    try {
        const linked = shares && (stat.mode & 0o777) === entry.mode && tryLink(source, path);
        if (!linked)
            await copyKeepingTime(source, path, entry.mode, stat);
        if ((await hashFile(path, entry.size)) === entry.hash)
            return linked ? 'link' : 'copy';
    }
    catch (error) {
        // The cleanup of another deploy removed it.
        if (error.code !== 'ENOENT')
            throw error;
    }
    await (0,promises_namespaceObject.rm)(path, { force: true });
    return null;
}

;// CONCATENATED MODULE: ./build/agent/upload/missing.js
/** Which files of a release the server has, which it lacks, and how much disk space the release needs. */




async function findMissing(entries, distDir) {
    /** Indexes among the files of the manifest. */
    const missing = new Bitmap();
    const need = { bytes: 0, inodes: 0 };
    const folders = new Set();
    let reusedBytes = 0;
    for await (const { entry, index, source } of entries) {
        folders.add((0,external_node_path_namespaceObject.dirname)(entry.path));
        if (entry.kind !== 'file') {
            need.inodes += 1;
        }
        else if (source === null) {
            missing.set(index);
            addFile(need, entry.size);
        }
        else {
            if (!sharesInode(entry, source, distDir))
                addFile(need, entry.size);
            reusedBytes += entry.size;
        }
    }
    need.inodes += folders.size;
    return { missing, need, reusedBytes };
}
async function* withSources(entries, sourceOf) {
    let index = 0;
    for await (const entry of entries) {
        yield { entry, index, source: entry.kind === 'file' ? sourceOf(entry) : null };
        if (entry.kind === 'file')
            index += 1;
    }
}

;// CONCATENATED MODULE: ./build/agent/operations/dry-run.js
/** What a run would do and meet on this server. A dry run writes nothing. */

















/** @throws Failure `base-changed`, `upload-corrupt`, as `stage` does */
async function compare(layout, { base, contentHash, distDir }, body, isPreview = false) {
    const hash = (0,external_node_crypto_namespaceObject.createHash)('sha256');
    const entries = [];
    const wanted = new Map();
    const from = await layoutOfBase(layout, base, isPreview);
    for await (const { entry, named } of fillIn(from, base, decompress(body))) {
        if (named && entry.kind === 'file')
            wanted.set(contentKey(entry), null);
        hash.update(formatEntry(entry));
        entries.push(entry);
    }
    assertWhole(hash.digest('hex'), contentHash, base);
    await findSources(layout, wanted, '', isPreview ? await neighboursOf(layout) : []);
    const { missing, need } = await findMissing(withSources(entries, sourcesIn(from, base, wanted)), distDir);
    const lack = await lackOfDiskSpace(nearestExisting(layout.base), need);
    return { missing: missing.format(), lack: lack === null ? null : lack.toRecord() };
}
/** Stands for the release that the deploy would make. */
const NEWER_THAN_ALL = '9'.repeat(14);
async function dryRun({ layout, appName, socket = null }, { release, run, address, said, keep }, running) {
    const live = await liveRelease(layout);
    const where = address === null ? await readRuntime(layout, release ?? '') : { ...address, socket };
    const claims = [];
    for (const check of checksOf({ layout, appName, address: where, said }, running)) {
        claims.push(await ending(check));
    }
    const own = running.all.filter(({ name }) => name === appName);
    const foreign = own.filter((process) => !isOurs(process, programOf(layout)));
    const findings = [
        waiting(await lockHolder(layout.lock)),
        interrupted(await interruptedActivation(layout)),
        release === null ? await ending(() => assertNotOvertaken(layout, run, live)) : null,
        ...claims,
        replacing(await foreignCurrent(layout)),
        // The run would end before it replaces anything.
        claims.every((finding) => finding === null) ? gap(foreign) : null,
    ];
    return {
        findings: findings.filter((finding) => finding !== null),
        pruned: await releasesToRemove(layout, keep, release ?? NEWER_THAN_ALL),
    };
}
/** Where the run would end, with nothing live touched. */
async function ending(check) {
    try {
        await check();
        return null;
    }
    catch (error) {
        const { code, message, remedy = null } = Failure.from(error);
        return { effect: 'ends', code, message, remedy };
    }
}
function waiting(holder) {
    if (holder === null)
        return null;
    const remedy = 'A run waits for the lock for at most `lock-timeout`.';
    return { effect: 'waits', code: 'locked', message: `The lock is held by ${holder}.`, remedy };
}
function interrupted(activation) {
    if (activation === null)
        return null;
    const message = 'An earlier run was interrupted after the swap.';
    const remedy = 'A run first finishes that run, or restores the previous release.';
    return { effect: 'recovers', code: null, message, remedy };
}
function replacing(target) {
    if (target === null)
        return null;
    const message = `\`current\` points at "${target}", which Gapless did not deploy.`;
    const remedy = 'A run replaces that link, and restores the link if the first deploy fails. To keep the link, set another `path`.';
    return { effect: 'replaces', code: null, message, remedy };
}
function gap(foreign) {
    if (foreign.length === 0)
        return null;
    const what = foreign.map(({ pid, mode, script }) => `${pid} (${mode.replace('_mode', '')} mode, ${script})`);
    const message = `PM2 runs processes under this name that Gapless did not start: ${what.join(', ')}.`;
    const remedy = 'The first deploy restarts the app, with a short gap. Later deploys have no gap.';
    return { effect: 'gap', code: null, message, remedy };
}

;// CONCATENATED MODULE: ./build/agent/system/proxy-access.js
/** Whether a web server that runs as a user of its own can reach a Unix socket. */



/** The users of nginx and Caddy in the packages of Debian, Red Hat, Alpine, Arch and of their own. */
const PROXIES = new Set(['www-data', 'nginx', 'caddy', 'http']);
const SETGID = 0o2000;
/**
 * Returns null where one of the machine's proxies can connect, or none runs as a user of its own. Sees no ACLs.
 * @param running users that have a process
 */
function proxyObstacle(socket, read = (file) => (0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8'), running = usersOfProcesses()) {
    const proxies = accounts(read).filter(({ uid }) => running.has(uid));
    const obstacles = proxies.map((account) => obstacleFor(account, socket));
    return obstacles.includes(null) ? null : (obstacles[0] ?? null);
}
/** By number. */
function usersOfProcesses() {
    return new Set(pids().flatMap((pid) => (0,external_node_fs_namespaceObject.statSync)(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? []));
}
function accounts(read) {
    try {
        const fields = (file) => read(file)
            .split('\n')
            .map((line) => line.split(':'));
        const groups = fields('/etc/group');
        return fields('/etc/passwd').flatMap(([name = '', , uid, gid]) => {
            if (!PROXIES.has(name))
                return [];
            const more = groups.flatMap(([, , id, members = '']) => members.split(',').includes(name) ? [Number(id)] : []);
            return [{ name, uid: Number(uid), gids: new Set([Number(gid), ...more]) }];
        });
    }
    catch {
        return [];
    }
}
function obstacleFor(account, socket) {
    const { name: user, gids } = account;
    const folder = (0,external_node_path_namespaceObject.dirname)(socket);
    const open = `sudo chgrp ${user} '${folder}' && sudo chmod 2750 '${folder}'`;
    for (const path of ancestorsOf(folder)) {
        const stat = (0,external_node_fs_namespaceObject.statSync)(path, { throwIfNoEntry: false });
        if (stat === undefined || mayEnter(account, stat))
            continue;
        return { user, path, commands: path === folder ? open : `sudo chmod o+x '${path}'` };
    }
    // A socket gets the group of its folder where that says so, else that of the process.
    const stat = (0,external_node_fs_namespaceObject.statSync)(folder, { throwIfNoEntry: false });
    const gid = stat !== undefined && (stat.mode & SETGID) !== 0 ? stat.gid : (process.getgid?.() ?? -1);
    return gids.has(gid) || account.uid === process.getuid?.() ? null : { user, path: socket, commands: open };
}
function ancestorsOf(folder) {
    return folder === (0,external_node_path_namespaceObject.dirname)(folder) ? [folder] : [...ancestorsOf((0,external_node_path_namespaceObject.dirname)(folder)), folder];
}
function mayEnter({ uid, gids }, stat) {
    const bit = stat.uid === uid ? 0o100 : gids.has(stat.gid) ? 0o010 : 0o001;
    return (stat.mode & bit) !== 0;
}

;// CONCATENATED MODULE: ./build/agent/operations/previews.js
/** Previews: what they need, and how they are removed with all that belongs to them. */


















/** @throws Failure `preview-unusable`, `app-name-taken`, `path-taken`, `memory-low` */
async function preparePreview({ layout, appName }, { memoryBytes }, { all, daemon }) {
    const processes = all.filter(({ name }) => name === appName);
    for (const check of previewChecks({ layout, appName }, processes, all))
        await check();
    // What the preview uses already is its own.
    const used = processes.reduce((sum, process) => sum + process.memoryBytes, 0);
    const available = availableMemory(daemon) + used;
    if (available < memoryBytes) {
        throw preview_failure('memory-low', { needed: formatBytes(memoryBytes), available: formatBytes(available) });
    }
    const owner = await (0,promises_namespaceObject.stat)(appOf(layout).current).catch(() => null);
    return { sharesUser: owner?.uid === process.getuid?.(), unreachable: proxyObstacle(socketOf(layout)) };
}
/** Never waits for a preview that is being deployed. */
async function prunePreviews(layout, { ttlMs, limit }, pm2, alive) {
    const app = appOf(layout);
    await removeRemains((0,external_node_path_namespaceObject.dirname)(layout.base));
    const others = (await previewsOf(app)).filter(({ base }) => base !== layout.base);
    const dated = await Promise.all(others.map(async (other) => ({ other, at: await lastDeployed(other) })));
    const newestFirst = dated.toSorted((a, b) => b.at - a.at);
    const removed = [];
    let kept = (await exists(layout.base)) ? 1 : 0;
    for (const { other, at } of newestFirst) {
        const reason = Date.now() - at > ttlMs ? 'ttl' : limit !== null && kept >= limit ? 'limit' : null;
        if (reason === null) {
            kept += 1;
            continue;
        }
        const problem = await removePreview(other, { lockTimeoutMs: 0, dryRun: false }, pm2).then(() => null, (error) => error.message);
        removed.push({ name: (0,external_node_path_namespaceObject.basename)(other.base), reason, deployed: new Date(at).toISOString(), problem });
        alive();
    }
    return { removed };
}
/** How long a worker may finish its requests, in ms: nobody deploys the preview again. */
const GRACE = 3000;
/** @throws Failure `locked`, `preview-unusable` */
async function removePreview(layout, { lockTimeoutMs, dryRun }, pm2) {
    const { base } = layout;
    if ((0,external_node_path_namespaceObject.basename)((0,external_node_path_namespaceObject.dirname)(base)) !== 'previews' || !PREVIEW_NAME.test((0,external_node_path_namespaceObject.basename)(base)))
        throw new Error(`${base} is no preview`);
    const hasFolder = hasOwnFolder(layout);
    return pm2.with(async (daemon) => {
        const find = async () => ((await daemon?.all()) ?? []).filter((process) => isOf(process, base));
        const release = hasFolder ? await liveRelease(layout).catch(() => null) : null;
        const found = hasFolder || (await find()).length > 0;
        if (dryRun || !found) {
            if (!dryRun)
                await removeSocket(layout);
            return { release, found };
        }
        // It goes with the folder.
        if (hasFolder)
            await lockFolder(layout.lock, 'the removal of this preview', lockTimeoutMs);
        await removeSocket(layout);
        const processes = await find();
        const records = await readWorkers(layout.workers);
        const pids = withDescendants([...processes, ...records].map(({ pid }) => pid).filter((pid) => pid > 0));
        const running = pids.map((pid) => ({ pid, startTime: process_identity_startTimeOf(pid) ?? '' }));
        const removals = processes.map(({ id }) => daemon.remove(id));
        // Those that outlived PM2's daemon.
        const unlisted = records.filter(({ pid }) => !processes.some((process) => process.pid === pid));
        for (const { pid } of unlisted)
            signal(pid, 'SIGINT');
        const gone = Promise.all(removals);
        await Promise.race([gone.catch(() => undefined).then(() => ended(running, GRACE)), (0,external_node_timers_promises_namespaceObject.setTimeout)(GRACE)]);
        for (const { pid, startTime } of running)
            if (isRunning(pid, startTime))
                signal(pid, 'SIGKILL');
        await gone;
        await ended(running, GRACE);
        await forgetDump(pm2.home, base);
        await removeLogs(pm2.home, processes);
        await removeFolder(base);
        return { release, found };
    });
}
function isOf(process, base) {
    const folder = folderOf(process);
    return folder !== null && isSameFolder(folder, base);
}
async function removeSocket(layout) {
    const socket = socketOf(layout);
    if ((0,external_node_fs_namespaceObject.lstatSync)(socket, { throwIfNoEntry: false })?.isSocket() === true)
        await (0,promises_namespaceObject.rm)(socket, { force: true });
}
const previews_POLL = 50;
async function ended(processes, limitMs) {
    for (let waited = 0; waited < limitMs; waited += previews_POLL) {
        if (!processes.some(({ pid, startTime }) => isRunning(pid, startTime)))
            return;
        await (0,external_node_timers_promises_namespaceObject.setTimeout)(previews_POLL);
    }
}
/** At the next boot PM2 starts what its dump names. */
async function forgetDump(home, base) {
    const file = (0,external_node_path_namespaceObject.join)(home, 'dump.pm2');
    const dump = await readDump(file);
    const others = dump.filter(({ pm_exec_path: script = '' }) => !isOf({ script: String(script) }, base));
    if (others.length < dump.length)
        await writeFileAtomic(file, JSON.stringify(others, null, 2), 0o600);
}
async function readDump(file) {
    try {
        const dump = JSON.parse(await (0,promises_namespaceObject.readFile)(file, 'utf8'));
        return Array.isArray(dump) ? dump : [];
    }
    catch {
        return [];
    }
}
/** Only those that PM2 named itself: an app of the same name has none, as it would be the same app. */
async function removeLogs(home, processes) {
    const files = processes.flatMap(({ outLog, errorLog }) => [outLog, errorLog]);
    const own = files.filter((file) => (0,external_node_path_namespaceObject.dirname)(file) === (0,external_node_path_namespaceObject.join)(home, 'logs'));
    for (const file of own)
        await (0,promises_namespaceObject.rm)(file, { force: true });
}
const REMAINS = /^\.[a-z0-9-]+\.removed\.\d+$/;
/** In one step: what is only half there would be taken for a preview. */
async function removeFolder(base) {
    if (!(await exists(base)))
        return;
    const grave = (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(base), `.${(0,external_node_path_namespaceObject.basename)(base)}.removed.${process.pid}`);
    await (0,promises_namespaceObject.rename)(base, grave);
    await (0,promises_namespaceObject.rm)(grave, { recursive: true, force: true, maxRetries: 3 });
}
/** Of removals that died. */
async function removeRemains(folder) {
    for (const name of await (0,promises_namespaceObject.readdir)(folder).catch(() => [])) {
        if (REMAINS.test(name))
            await (0,promises_namespaceObject.rm)((0,external_node_path_namespaceObject.join)(folder, name), { recursive: true, force: true }).catch(() => undefined);
    }
}

;// CONCATENATED MODULE: ./build/agent/store/trust.js
/** Whether other users of the server can replace what runs as the app's user. */




const OTHERS_MAY_WRITE = 0o002;
const STICKY = 0o1000;
/** @throws Failure `path-unsafe` when anybody except this user and root may change the folder */
function assertTrusted(layout) {
    const own = [layout.base, layout.own, layout.releases, layout.shared];
    for (const folder of own)
        assertNotForAll(folder, false);
    for (let folder = layout.base; folder !== (0,external_node_path_namespaceObject.dirname)(folder);) {
        folder = (0,external_node_path_namespaceObject.dirname)(folder);
        // In a sticky folder, such as /tmp, nobody can replace what belongs to others.
        assertNotForAll(folder, true);
    }
    // The owner of the folder could replace the link `current`, and with it the app.
    for (const path of [...own, layout.current])
        assertOwned(path);
}
function assertNotForAll(folder, stickyIsFine) {
    const mode = (0,external_node_fs_namespaceObject.statSync)(folder, { throwIfNoEntry: false })?.mode ?? 0;
    if ((mode & OTHERS_MAY_WRITE) === 0 || (stickyIsFine && mode & STICKY))
        return;
    throw unsafe(folder, 'every user of the server may write in it', `chmod o-w '${folder}'`);
}
/**
 * Checks the way to a path in `shared`. Parts that do not exist yet are fine.
 * @throws Failure `path-unsafe` when another user made a part of it, such as a link that leads elsewhere, or could
 */
function assertOwnWay(shared, path) {
    let way = shared;
    assertOwned(way);
    for (const part of path.split('/')) {
        assertNotForAll(way, false);
        way = (0,external_node_path_namespaceObject.join)(way, part);
        assertOwned(way);
    }
}
function assertOwned(path) {
    const stat = (0,external_node_fs_namespaceObject.lstatSync)(path, { throwIfNoEntry: false });
    if (stat === undefined || trust_isOurs(stat))
        return;
    const { username } = (0,external_node_os_namespaceObject.userInfo)();
    const what = stat.isSymbolicLink() ? 'is a link made by' : 'belongs to';
    throw unsafe(path, `it ${what} user ${stat.uid}, not ${username}`, `ls -ld '${path}'`);
}
/** Root can do everything anyhow, and may have put a link to another disk there. */
function trust_isOurs({ uid }) {
    return uid === 0 || uid === (0,external_node_os_namespaceObject.userInfo)().uid;
}
function unsafe(path, why, command) {
    return server_failure('path-unsafe', { path, reason: why, command });
}

;// CONCATENATED MODULE: ./build/agent/operations/inspect.js
/** What the action needs to know about the server before it builds. */















/** @throws Failure `path-not-writable`, `path-unsafe`, `current-not-a-link`, `pm2-foreign` */
async function inspectServer(layout, search, pm2Home, move = null) {
    const standing = nearestExisting(layout.base);
    assertWritable(layout.base);
    assertPm2HomeWritable(pm2Home);
    assertTrusted(layout);
    const { bavail, bsize } = await (0,promises_namespaceObject.statfs)(standing);
    const journal = await readJournal(layout.journal);
    const { found, searched } = search;
    // What the workers of a deploy will run on.
    const next = move?.hindrance === null ? move : null;
    return {
        node: next?.version ?? process.versions.node,
        nodePath: next?.node ?? process.execPath,
        nodeAbi: next?.abi ?? process.versions.modules,
        nodeStays: move === null || move.hindrance === null ? '' : sayNodeStays(move, move.hindrance),
        platform: process.platform,
        arch: process.arch,
        glibc: glibcVersion(),
        cpuFlags: cpuFlags(),
        path: layout.base,
        identity: identityOf(layout.base, standing),
        pm2: found && { version: found.version, path: found.path, home: pm2Home },
        // For the error message alone, and long.
        searched: found === null ? searched : [],
        freeBytes: bavail * bsize,
        zstd: "createZstdDecompress" in (external_node_zlib_default()),
        newestId: await newestId(layout),
        live: await liveRelease(layout),
        serving: await servingRelease(layout),
        interrupted: await interruptedActivation(layout),
        canary: canaryIn(journal)?.release ?? null,
        probation: probationOf(journal),
        lock: await lockHolder(layout.lock),
        now: new Date().toISOString(),
    };
}
/** By the boot id: machines cloned from one image share /etc/machine-id, and their inode numbers too. */
function identityOf(base, standing) {
    const { dev, ino } = (0,external_node_fs_namespaceObject.statSync)(standing, { bigint: true });
    return [bootId(), dev, ino, (0,external_node_path_namespaceObject.relative)(standing, base)].join(':');
}
/** Returns the C library that native modules link to, or null where it is not glibc (musl). */
function glibcVersion() {
    const report = process.report;
    // Otherwise Node looks up the name of every open connection (18 to 24).
    report.excludeNetwork = true;
    const { header } = report.getReport();
    return header?.glibcVersionRuntime ?? null;
}
/** The flags that tell the levels of x86-64 apart. The whole list is long, and travels over the wire. */
const TELLING = new Set(['sse2', 'ssse3', 'sse4_1', 'sse4_2', 'popcnt', 'avx', 'avx2']);
/** Of the first processor: the kernel does not run machines whose processors differ in this. */
function cpuFlags() {
    try {
        const line = /^flags\s*:(.*)$/m.exec((0,external_node_fs_namespaceObject.readFileSync)('/proc/cpuinfo', 'utf8'));
        return (line?.[1]?.trim().split(/\s+/) ?? []).filter((flag) => TELLING.has(flag));
    }
    catch {
        // Not on every container host, and only for a better error message.
        return [];
    }
}

;// CONCATENATED MODULE: ./build/agent/system/umask.js
/** Releases must be readable by others, such as nginx with its `public` files, even under a strict umask. */
async function readableByOthers(work) {
    const before = process.umask(0o022);
    try {
        return await work();
    }
    finally {
        // The app's workers keep the user's umask.
        process.umask(before);
    }
}
/** For processes of an activation: under umask 0 everybody could write in PM2's folder (7.0.4), and to its daemon. */
function closeToOthers() {
    process.umask(process.umask() | 0o002);
}

;// CONCATENATED MODULE: ./build/protocol/sending-order.js
/** The order in which contents are sent; both sides must agree on it. */
/** In bytes. */
const LARGE = 1024 * 1024;
/**
 * Small files in the manifest's order, then the few large ones by size, which are kept meanwhile: a small file costs
 * the server far more time than its bytes cost the network, so the server catches up while the large ones arrive.
 */
function largeOnesLast() {
    const large = [];
    return {
        /** Whether the file is next; a large one waits. */
        isNext(file) {
            if (file.size > LARGE)
                large.push(file);
            return file.size <= LARGE;
        },
        /** The files that waited. */
        rest: () => large.sort((a, b) => a.size - b.size),
    };
}
function* inSendingOrder(files) {
    const order = largeOnesLast();
    for (const file of files)
        if (order.isNext(file))
            yield file;
    yield* order.rest();
}

;// CONCATENATED MODULE: ./build/agent/store/links.js
/** Where the links of a release lead. The runner judged their text; only the server can resolve them. */




/** As many as the kernel follows. */
const MOST_LINKS = 40;
/**
 * Resolves every link of a release before the release is renamed into place.
 * @param served folders that visitors can read, relative to the release: a link in one of them must stay in it
 * @throws Failure `symlink-escapes` naming the first link that leads out
 */
async function assertLinksStay(directory, manifest, served) {
    for await (const entry of readManifest(manifest, () => false)) {
        if (entry.kind !== 'link' || (await isReplaced(directory, entry)))
            continue;
        const folder = served.find((each) => entry.path.startsWith(`${each}/`)) ?? '';
        if (await staysIn((0,external_node_path_namespaceObject.join)(directory, folder), (0,external_node_path_namespaceObject.join)(directory, entry.path)))
            continue;
        const { path, target } = entry;
        const named = folder === '' ? 'the release' : JSON.stringify(folder);
        throw server_failure('symlink-escapes', { path, target, folder: named });
    }
}
/** The path itself, or a folder above it, is a shared path. */
async function isReplaced(directory, { path, target }) {
    return (await (0,promises_namespaceObject.readlink)((0,external_node_path_namespaceObject.join)(directory, path)).catch(() => null)) !== target;
}
/** Whether a path stays in a folder, whatever links it leads through. A link to nothing inside the folder stays. */
async function staysIn(root, path) {
    let at = (0,external_node_path_namespaceObject.dirname)(path);
    let rest = [path.slice(at.length + 1)];
    for (let links = 0;;) {
        const [part, ...others] = rest;
        if (part === undefined)
            return true;
        rest = others;
        if (part === '' || part === '.')
            continue;
        if (part === '..') {
            if (at === root)
                return false;
            at = (0,external_node_path_namespaceObject.dirname)(at);
            continue;
        }
        const next = (0,external_node_path_namespaceObject.join)(at, part);
        const stat = await (0,promises_namespaceObject.lstat)(next).catch(() => null);
        if (stat === null)
            return !rest.includes('..');
        if (!stat.isSymbolicLink()) {
            at = next;
            continue;
        }
        links += 1;
        const target = await (0,promises_namespaceObject.readlink)(next);
        if (links > MOST_LINKS || target.startsWith('/'))
            return false;
        rest = [...target.split('/'), ...rest];
    }
}

;// CONCATENATED MODULE: ./build/agent/store/shared.js
/** `shared-dirs` and `shared-files`: paths of a release that live in `<path>/shared` and outlast releases. */







/**
 * Links the shared paths into a release that is being built. What the first release has at such a path becomes the
 * shared content; what later releases have there is left out.
 * @param appFolder the folder of server.js in the release: the paths are relative to the app
 * @returns the paths where something was left out that differs from the shared content
 * @throws Failure `path-unsafe` where another user has put something in the way
 * @throws Failure `shared-path-unusable` where a path is of the other kind, or leads out of the release
 */
async function linkShared(layout, directory, appFolder, paths) {
    const root = await (0,promises_namespaceObject.realpath)(directory);
    const leftOut = [];
    for (const path of paths.sharedDirs)
        await linkOne(path, 'folder');
    for (const path of paths.sharedFiles)
        await linkOne(path, 'file');
    return leftOut;
    async function linkOne(path, kind) {
        const parent = (0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.join)(root, appFolder, path));
        await (0,promises_namespaceObject.mkdir)(parent, { recursive: true, mode: 0o755 });
        // A folder on the way may be a link inside the release: the new link is relative to the folder's real path.
        const real = await (0,promises_namespaceObject.realpath)(parent);
        assertInside(root, real, path);
        const inRelease = (0,external_node_path_namespaceObject.join)(real, path.slice(path.lastIndexOf('/') + 1));
        const target = (0,external_node_path_namespaceObject.join)(layout.shared, path);
        assertOwnWay(layout.shared, path);
        const brought = await (0,promises_namespaceObject.realpath)(inRelease).catch(() => null);
        if (brought !== null) {
            assertInside(root, brought, path);
            await assertKind(brought, kind, path, 'the build');
        }
        if (await exists(target)) {
            await assertKind(target, kind, path, layout.shared);
            if (brought !== null && (await differs(brought, target)))
                leftOut.push(path);
        }
        else {
            await (0,promises_namespaceObject.mkdir)((0,external_node_path_namespaceObject.dirname)(target), { recursive: true, mode: 0o755 });
            await create(brought, target, kind);
        }
        await (0,promises_namespaceObject.rm)(inRelease, { recursive: true, force: true });
        await (0,promises_namespaceObject.symlink)((0,external_node_path_namespaceObject.relative)((0,external_node_path_namespaceObject.join)(layout.releases, 'release', (0,external_node_path_namespaceObject.relative)(root, real)), target), inRelease);
    }
}
async function create(brought, target, kind) {
    if (brought === null) {
        if (kind === 'folder')
            await (0,promises_namespaceObject.mkdir)(target, { recursive: true, mode: 0o755 });
        else
            await (0,promises_namespaceObject.writeFile)(target, '', { mode: 0o600, flag: 'wx' });
        return;
    }
    // Copied, then renamed: the release's own files may be hard links to those of other releases. Modification
    // times are the same on all hosts, because Next.js derives `Last-Modified` and `ETag` from them. The
    // temporary name is random, so that nobody can have created it before.
    await removeAsides(target);
    const aside = `${target}.${(0,external_node_crypto_namespaceObject.randomBytes)(6).toString('hex')}`;
    const asItIs = { verbatimSymlinks: true, preserveTimestamps: true };
    await (0,promises_namespaceObject.cp)(brought, aside, { recursive: true, errorOnExist: true, force: false, ...asItIs });
    // Shared content is never sent again: an incomplete copy, after a power cut, would stay for ever.
    await syncTree(aside);
    await (0,promises_namespaceObject.rename)(aside, target);
    await syncFolder((0,external_node_path_namespaceObject.dirname)(target));
}
async function syncTree(path) {
    const stat = await (0,promises_namespaceObject.lstat)(path);
    if (stat.isFile())
        return syncFile(path);
    if (!stat.isDirectory())
        return;
    const names = await (0,promises_namespaceObject.readdir)(path);
    await inParallel(names, shared_FLUSHED_AT_ONCE, (name) => syncTree((0,external_node_path_namespaceObject.join)(path, name)));
    await syncFolder(path);
}
/** Flushing one by one waits for the disk each time. */
const shared_FLUSHED_AT_ONCE = 16;
/** Removes what an interrupted copy has left. */
async function removeAsides(target) {
    const name = `${(0,external_node_path_namespaceObject.basename)(target)}.`;
    for (const each of await (0,promises_namespaceObject.readdir)((0,external_node_path_namespaceObject.dirname)(target))) {
        if (!each.startsWith(name) || !/^[0-9a-f]{12}$/.test(each.slice(name.length)))
            continue;
        await (0,promises_namespaceObject.rm)((0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(target), each), { recursive: true, force: true });
    }
}
/** Whether the release has something that the shared content lacks, or has in another size. */
async function differs(brought, target) {
    const [here, there] = [await (0,promises_namespaceObject.lstat)(brought), await (0,promises_namespaceObject.lstat)(target).catch(() => null)];
    if (there?.isSymbolicLink())
        return differs(brought, await (0,promises_namespaceObject.realpath)(target));
    if (!here.isDirectory())
        return there?.isFile() !== true || there.size !== here.size;
    if (there?.isDirectory() !== true)
        return true;
    for (const name of await (0,promises_namespaceObject.readdir)(brought)) {
        if (await differs((0,external_node_path_namespaceObject.join)(brought, name), (0,external_node_path_namespaceObject.join)(target, name)))
            return true;
    }
    return false;
}
/** A shared path may itself be the user's link to another disk. A link to nothing is neither a file nor a folder. */
async function assertKind(place, kind, path, where) {
    const stat = await (0,promises_namespaceObject.lstat)(await (0,promises_namespaceObject.realpath)(place).catch(() => place));
    if (kind === 'folder' ? stat.isDirectory() : stat.isFile())
        return;
    const input = kind === 'folder' ? 'shared-dirs' : 'shared-files';
    throw server_failure('shared-path-unusable', { input, path, kind, place: where });
}
function assertInside(root, real, path) {
    if (real === root || real.startsWith(root + external_node_path_namespaceObject.sep))
        return;
    throw server_failure('shared-path-unusable: link', { path });
}

;// CONCATENATED MODULE: ./build/agent/upload/upload.js
/**
 * Receives a release: the manifest, then the contents that the server lacks, then the commit. Everything is
 * built and verified in `.gapless/incoming/<id>`; one rename makes it a release.
 */



























const PROGRESS_MS = 1000;
/** How contents end when the connection is lost: between two frames, or inside one. */
const CUT_OFF = new Set(['upload-incomplete', 'connection-lost']);
/** @param isPreview takes files of the app and its other previews, and listens on a socket */
function createUploads(layout, isPreview = false) {
    let upload;
    /** The folder to remove while there is no upload yet, or when the upload failed for good. */
    let doomed;
    const begun = (id) => {
        if (upload?.id === id)
            return upload;
        throw upload_failure('no-such-upload');
    };
    async function abandon() {
        const ended = upload;
        upload = undefined;
        await ended?.reuse.stop();
        await ended?.awaited.return();
        await ended?.flushing.done().catch(() => undefined);
        if (ended?.received === true)
            await setAside(ended.directory);
        else if (doomed !== undefined)
            await (0,promises_namespaceObject.rm)(doomed, { recursive: true, force: true });
        doomed = undefined;
    }
    return {
        async stage({ id, base, contentHash, distDir, resumes }, body) {
            await abandon();
            makeFolders(layout);
            await liveRelease(layout);
            if (resumes) {
                await takeOverUpload(layout, id);
                if (await wasCommitted(layout, id, contentHash)) {
                    return { committed: true, missing: '', reusedBytes: 0 };
                }
            }
            const directory = await takeId(layout, id);
            doomed = directory;
            const manifest = releaseFiles(directory).manifest;
            await (0,promises_namespaceObject.mkdir)((0,external_node_path_namespaceObject.dirname)(manifest), { mode: 0o700 });
            await writeOwner(uploadOwner(directory));
            const wanted = new Map();
            const from = await layoutOfBase(layout, base, isPreview);
            assertWhole(await writeManifest(from, base, body, manifest, wanted), contentHash, base);
            await findSources(layout, wanted, directory, isPreview ? await neighboursOf(layout) : []);
            const sourceOf = sourcesIn(from, base, wanted);
            const found = await findMissing(withSources(readManifest(manifest), sourceOf), distDir);
            const { missing, need, reusedBytes } = found;
            await assertDiskSpace(directory, need);
            const flushing = startFlushing(directory);
            upload = {
                id,
                directory,
                contentHash,
                distDir,
                reuse: startReuse(directory, distDir, withSources(readManifest(manifest), sourceOf), flushing),
                reusedBytes,
                folder: folderMaker(),
                flushing,
                missing: missing.count,
                awaited: filesIn(manifest, missing),
                askedAgain: false,
                received: false,
            };
            return { committed: false, missing: missing.format(), reusedBytes };
        },
        async fill(id, count, body, compression) {
            const current = begun(id);
            try {
                const files = await take(current.awaited, count);
                const contents = decompress(body, compression);
                await receive(current.directory, files, releaseTime(current.id), current.folder, contents);
                current.missing -= count;
                await current.flushing.add(files);
                current.received = true;
                return { bytes: files.reduce((sum, { size }) => sum + size, 0) };
            }
            catch (error) {
                // What arrived before the connection was lost is verified, or its hash shows the damage. A full disk
                // needs the space.
                current.received = CUT_OFF.has(Failure.from(error).code);
                throw error;
            }
        },
        async commit(params, progress) {
            const current = begun(params.id);
            if (current.missing > 0)
                throw upload_failure('upload-incomplete', { problem: 'its contents never arrived' });
            const damaged = await upload_proven(current, progress);
            if (damaged.count > 0 && !current.askedAgain) {
                current.missing = damaged.count;
                current.awaited = filesIn(releaseFiles(current.directory).manifest, damaged);
                current.askedAgain = true;
                return { path: null, missing: damaged.format(), leftOut: [] };
            }
            // A later failure is not a lack of contents.
            current.received = false;
            await current.flushing.done();
            const made = await makeRelease(layout, current, {
                ...params,
                runtime: { ...params.runtime, socket: isPreview ? socketOf(layout) : null },
            });
            upload = undefined;
            doomed = undefined;
            await removeInterrupted(layout);
            return { ...made, missing: '' };
        },
        abandon,
    };
}
async function upload_proven({ reuse, reusedBytes }, progress) {
    let told = -1;
    const tell = () => {
        const provenBytes = reuse.provenBytes();
        // On a hanging disk nothing more is verified, and the waiting runner must notice.
        if (provenBytes === told)
            return;
        told = provenBytes;
        progress({ provenBytes, totalBytes: reusedBytes });
    };
    const timer = setInterval(tell, PROGRESS_MS);
    return reuse.damaged.finally(() => clearInterval(timer));
}
async function makeRelease(layout, { id, directory, contentHash, distDir }, { run, entry, staticPath, nextVersion, builtMsAgo, runtime }) {
    const files = releaseFiles(directory);
    const now = Date.now();
    const [created, built] = [now, now - builtMsAgo].map((time) => new Date(time).toISOString());
    const info = { id, ...run, created, built, entry, staticPath, nextVersion, contentHash, distDir };
    await writeFileAtomic(files.info, `${JSON.stringify(info, null, 2)}\n`, 0o644);
    await writeFileAtomic(files.runtime, JSON.stringify(runtime), 0o600);
    if (!(await exists((0,external_node_path_namespaceObject.join)(directory, entry)))) {
        throw upload_failure('upload-incomplete', {
            problem: `the release has no ${JSON.stringify(entry)}, which PM2 starts`,
        });
    }
    const served = [(0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(entry), 'public'), ...(staticPath === null ? [] : [staticPath])];
    // Once before the targets of links can become shared content, and once with the shared paths in place.
    await assertLinksStay(directory, files.manifest, served);
    const leftOut = await linkShared(layout, directory, (0,external_node_path_namespaceObject.dirname)(entry), runtime);
    await assertLinksStay(directory, files.manifest, served);
    await syncFolder(directory);
    const path = releaseDirectory(layout, id);
    await (0,promises_namespaceObject.rename)(directory, path);
    await syncRename(layout);
    return { path, leftOut };
}
async function syncRename(layout) {
    await syncFolder(layout.releases);
    await syncFolder(layout.incoming);
}
/** Whether only the answer of the commit was lost. `releases` holds complete releases only. */
async function wasCommitted(layout, id, contentHash) {
    if (!(await isRelease(layout, id)))
        return false;
    if ((await readInfo(layout, id)).contentHash !== contentHash)
        return false;
    // The session may have been killed in between.
    await syncRename(layout);
    await removeInterrupted(layout);
    return true;
}
/** Writes the whole manifest, and notes each content that the upload named. @returns the manifest's SHA-256 in hex */
async function writeManifest(layout, base, body, file, wanted) {
    const hash = (0,external_node_crypto_namespaceObject.createHash)('sha256');
    async function* lines() {
        let text = '';
        for await (const { entry, named } of fillIn(layout, base, decompress(body))) {
            if (named && entry.kind === 'file')
                wanted.set(contentKey(entry), null);
            text += formatEntry(entry);
            if (text.length < 64 * 1024)
                continue;
            hash.update(text);
            yield text;
            text = '';
        }
        hash.update(text);
        yield text;
    }
    await (0,external_node_stream_promises_namespaceObject.pipeline)(external_node_stream_namespaceObject.Readable.from(lines()), (0,external_node_fs_namespaceObject.createWriteStream)(file, { mode: 0o600 }));
    await syncFile(file);
    return hash.digest('hex');
}
async function* filesIn(manifest, wanted) {
    const order = largeOnesLast();
    for await (const { entry, index } of withSources(readManifest(manifest), () => null)) {
        if (entry.kind === 'file' && wanted.has(index) && order.isNext(entry))
            yield entry;
    }
    yield* order.rest();
}
/** @throws Failure `upload-corrupt` when there are fewer */
async function take(files, count) {
    const taken = [];
    while (taken.length < count) {
        const { done, value } = await files.next();
        if (done === true)
            throw upload_failure('upload-corrupt', { problem: 'more arrived than the manifest names' });
        taken.push(value);
    }
    return taken;
}
/** Takes an id, and returns the upload's folder. @throws Failure `release-exists` */
async function takeId(layout, id) {
    const directory = (0,external_node_path_namespaceObject.join)(layout.incoming, id);
    if (!(await exists(releaseDirectory(layout, id)))) {
        try {
            await (0,promises_namespaceObject.mkdir)(directory, { mode: 0o755 });
            return directory;
        }
        catch (error) {
            if (error.code !== 'EEXIST')
                throw error;
        }
    }
    throw upload_failure('release-exists', { release: id });
}

;// CONCATENATED MODULE: ./build/agent/operations/index.js
/** The operations of the protocol, each in terms of the modules that carry it out. */








































const JOURNAL_ENTRIES = 20;
function createOperations({ base, appName, binPath, preview = false, agentFile, }) {
    const layout = layoutOf(base);
    const search = findPm2(binPath);
    const home = pm2Home();
    const uploads = createUploads(layout, preview);
    // The folder of a preview is removed one day, and PM2's daemon may be started from here.
    const cwd = preview ? appOf(layout).base : base;
    const installedPm2 = () => {
        if (search.found !== null)
            return search.found;
        throw pm2Missing(search.searched, process.execPath);
    };
    const existing = async (id) => {
        if (await isRelease(layout, id))
            return releaseDirectory(layout, id);
        const ids = await releaseIds(layout);
        throw server_failure('unknown-release', { release: id, known: ids.join(', ') || 'none yet' });
    };
    /** Never starts a daemon: where none runs there are no workers. */
    const pm2Access = {
        home,
        async with(act) {
            if (search.found === null || (await daemonPid(home)) === null)
                return act(null);
            const pm2 = await connectPm2(search.found, home, { mayStart: false });
            try {
                return await act(pm2);
            }
            finally {
                pm2.close();
            }
        },
    };
    const workers = () => pm2Access.with(async (pm2) => pm2 === null ? [] : (await lookAtWorkers({ layout, pm2, appName })).listed);
    const running = async () => {
        const daemon = await daemonPid(home);
        return pm2Access.with(async (pm2) => pm2 === null
            ? { all: [], daemon, program: null }
            : { all: await pm2.all(), daemon, program: await pm2.program() });
    };
    const context = (node = process.execPath) => {
        if (agentFile === '')
            throw server_failure('agent-not-kept', { folder: layout.own });
        return { layout, appName, agentFile, pm2: installedPm2(), pm2Home: home, node, cwd };
    };
    /** Null where a deploy leaves the daemon on its Node. A preview touches nothing but itself. */
    const planMove = async () => {
        const move = preview ? null : nodeMove(await daemonPid(home), binPath);
        if (move === null)
            return null;
        const { all } = await running();
        return { ...move, hindrance: await whyNotMove(all, base) };
    };
    /** The Node that workers of a deploy will run on, where that is not the daemon's. */
    const nextNode = async () => {
        const move = await planMove();
        return move === null || move.hindrance !== null ? undefined : move.node;
    };
    return {
        handlers: {
            inspect: async () => inspectServer(layout, search, home, await planMove()),
            releases: async () => ({ releases: await listReleases(layout) }),
            status: async () => {
                const found = await workers();
                const records = await readWorkers(layout.workers);
                const lock = await lockHolder(layout.lock);
                const interrupted = await interruptedActivation(layout);
                const live = await liveRelease(layout);
                const entries = await readJournal(layout.journal);
                const processes = found.map(({ process }) => process);
                const isAsUsual = lock === null && interrupted === null && orphansIn(records).length === 0;
                return {
                    live,
                    // An activation, at work or interrupted, may have replaced some workers, and PM2 does not list orphans.
                    served: isAsUsual ? servedRelease(found) : await servingRelease(layout),
                    releases: await listReleases(layout),
                    workers: [...toStates(found), ...orphanStates(records)],
                    lock,
                    interrupted,
                    lived: lived(entries, live, processes, records),
                    journal: entries.slice(-JOURNAL_ENTRIES),
                };
            },
            encryptionKey: async ({ create }) => {
                if (create)
                    makeFolders(layout);
                return { key: await encryptionKey(layout, create) };
            },
            outline: () => outline(layout, ...(preview ? [appOf(layout)] : [])),
            stage: (params, { body }) => readableByOthers(() => uploads.stage(params, body)),
            fill: ({ id, files, compression }, { body }) => readableByOthers(() => uploads.fill(id, files, body, compression)),
            commit: (params, { event }) => readableByOthers(() => uploads.commit(params, event)),
            compare: (params, { body }) => compare(layout, params, body, preview),
            dryRun: async (params) => dryRun({ layout, appName, socket: preview ? socketOf(layout) : null }, params, await running()),
            integrity: async ({ id, repair }, { alive }) => {
                await existing(id);
                return readableByOthers(() => checkIntegrity(layout, id, repair, alive));
            },
            verify: async ({ id, said, testMs, deploys }, call) => {
                await existing(id);
                makeFolders(layout);
                await endOrphanedCandidates(layout);
                await assertLauncher(layout, id);
                const runtime = await readRuntime(layout, id);
                const now = await running();
                await assertClaims({ layout, appName, address: runtime, said }, now);
                const kept = now.all.find((process) => process.name === appName && isOurs(process, programOf(layout)));
                const inherited = await workerStart(cwd, home, kept?.definition ?? null);
                const node = deploys ? await nextNode() : undefined;
                const { PATH = '' } = cleanEnvironment(node);
                const start = node === undefined ? inherited : { ...inherited, node, env: { ...inherited.env, PATH } };
                if (testMs === null)
                    return verifyCandidate(layout, id, runtime, start, call.alive);
                const putBack = await keepCaches(layout, id, call.alive);
                try {
                    return await verifyCandidate(layout, id, runtime, start, call.alive, tunnelFor(call, testMs));
                }
                finally {
                    await putBack();
                }
            },
            markStaged: async ({ id, run }) => {
                await existing(id);
                const live = await liveRelease(layout);
                if (live !== null && live > id)
                    throw run_failure('staged-outdated: while staging', { release: id, current: live });
                await assertNotOvertaken(layout, run, live);
                await markStaged(layout, id);
                return { serving: await servingRelease(layout) };
            },
            preparePreview: async (params) => preparePreview({ layout, appName }, params, await running()),
            prunePreviews: (params, { alive }) => prunePreviews(layout, params, pm2Access, alive),
            removePreview: (params) => removePreview(layout, params, pm2Access),
            discard: async ({ id, remove }) => {
                const live = await liveRelease(layout);
                if (id === live || !(await isRelease(layout, id)))
                    return { removed: false };
                await markRejected(layout, id);
                // A running activation may have to go back to it. The next cleanup removes it.
                if (!remove || (await lockHolder(layout.lock)) !== null)
                    return { removed: false };
                await endOrphanedCandidates(layout);
                if ((await releasesInUse(layout, [id])).has(id))
                    return { removed: false };
                await removeRelease(layout, id);
                return { removed: true };
            },
            activate: async (request, { event, alive }) => {
                const node = request.kind === 'deploy' ? await nextNode() : undefined;
                return startActivation(context(node), request, { onEntry: event, alive });
            },
            watch: ({ activation, withdraw }, { event, alive }) => watchActivation(layout, () => context(), activation, withdraw, { onEntry: event, alive }),
            cleanup: async ({ keep, activation }, { alive }) => {
                const cleaned = await cleanUp(layout, keep, activation, alive);
                const program = await running().then((now) => now.program, () => undefined);
                // Without an answer nobody knows which PM2 runs.
                const runtimes = program === undefined ? [] : await removeOldRuntimes(program === null ? [] : [program]);
                return { ...cleaned, runtimes };
            },
            survey: async () => ({
                rows: await survey({ layout, appName, home, now: await running(), move: await planMove() }),
            }),
        },
        end: () => uploads.abandon(),
    };
}

;// CONCATENATED MODULE: ./build/protocol/frames.js
/**
 * Frames on the one channel between the action and the agent.
 *
 *   length  4 bytes, big endian: the payload's bytes
 *   kind    1 byte
 *   payload
 *
 * A request may be followed by a body: data frames, closed by an end frame. A cut connection looks like a
 * normal end of input to the agent, so nothing counts as complete without that end frame.
 */



const frameKind = { message: 0x4d, data: 0x44, end: 0x45 };
const frames_HEADER = 5;
/** Large enough for any message, and small enough that a broken or hostile peer cannot fill the memory. */
const MAX_PAYLOAD = 8 * 1024 * 1024;
function encodeFrame(kind, payload) {
    if (payload.length > MAX_PAYLOAD) {
        throw protocol_failure('message-too-large', { size: formatBytes(payload.length), limit: formatBytes(MAX_PAYLOAD) });
    }
    const header = Buffer.allocUnsafe(frames_HEADER);
    header.writeUInt32BE(payload.length, 0);
    header.writeUInt8(kind, 4);
    return Buffer.concat([header, payload]);
}
function encodeMessage(message) {
    return encodeFrame(frameKind.message, Buffer.from(JSON.stringify(message)));
}
/** Splits a byte stream into frames. Reads no faster than the consumer. */
async function* decodeFrames(source) {
    let pending = [];
    let available = 0;
    let wanted = frames_HEADER;
    for await (const chunk of source) {
        pending.push(chunk);
        available += chunk.length;
        while (available >= wanted) {
            const buffer = pending.length === 1 ? pending[0] : Buffer.concat(pending, available);
            const length = buffer.readUInt32BE(0);
            const kind = buffer.readUInt8(4);
            if (!isFrameKind(kind) || length > MAX_PAYLOAD) {
                throw malformed(`a frame of kind ${kind} has ${length} bytes`);
            }
            wanted = frames_HEADER + length;
            if (available < wanted) {
                pending = [buffer];
                break;
            }
            yield { kind, payload: buffer.subarray(frames_HEADER, wanted) };
            const rest = buffer.subarray(wanted);
            pending = rest.length > 0 ? [rest] : [];
            available = rest.length;
            wanted = frames_HEADER;
        }
    }
    if (available > 0)
        throw protocol_failure('connection-lost');
}
function isFrameKind(kind) {
    return kind === frameKind.message || kind === frameKind.data || kind === frameKind.end;
}

;// CONCATENATED MODULE: ./build/agent/session.js
/** One SSH session: reads requests from standard input, one at a time, and answers on standard output. */





async function serveSession(input, 
/** May return a promise that resolves when there is room for more. */
write, { handlers, end }) {
    const frames = decodeFrames(input);
    const reply = (message) => write(encodeMessage(message));
    try {
        for (;;) {
            const next = await frames.next();
            if (next.done === true)
                return;
            if (next.value.kind !== frameKind.message)
                throw malformed('a body came without a request');
            await answer(parse(request, next.value.payload.toString('utf8'), 'request'));
        }
    }
    finally {
        await end();
    }
    async function answer({ id, operation, params, body }) {
        const data = body ? readBody(frames) : noBody();
        try {
            const call = {
                body: data,
                event: (value) => reply({ id, kind: 'event', value }),
                send: async (chunk) => {
                    await write(encodeFrame(frameKind.data, chunk));
                },
                alive: atMostEvery(ALIVE, () => reply({ id, kind: 'alive', value: null })),
            };
            reply({ id, kind: 'result', value: await handle(operation, params, call) });
        }
        catch (error) {
            reply({ id, kind: 'error', value: toFailure(error).toRecord() });
        }
        // A failed operation may leave a part of its body unread.
        for await (const _ of data)
            continue;
    }
    function handle(operation, params, call) {
        const checked = operations[operation].params(params, operation);
        return handlers[operation](checked, call);
    }
}
/** Interval between two signs of life, in ms. */
const ALIVE = 5000;
function atMostEvery(pauseMs, act) {
    let last = performance.now();
    return () => {
        const now = performance.now();
        if (now - last < pauseMs)
            return;
        last = now;
        act();
    };
}
/**
 * The data frames up to the end frame. Its iterator may be left and resumed, even while a stream that read
 * ahead still waits for a frame: one step starts when the step before it has ended.
 */
function readBody(frames) {
    let ended = false;
    let before = Promise.resolve();
    const step = async () => {
        if (ended)
            return { done: true, value: undefined };
        const frame = await frames.next();
        if (frame.done === true)
            throw upload_failure('upload-incomplete', { problem: 'the connection ended in the middle' });
        if (frame.value.kind === frameKind.data)
            return { done: false, value: frame.value.payload };
        ended = true;
        if (frame.value.kind !== frameKind.end)
            throw malformed('a request came inside a body');
        return { done: true, value: undefined };
    };
    const next = () => {
        const result = before.then(step);
        before = result.catch(() => undefined);
        return result;
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
}
async function* noBody() {
    yield* [];
}

;// CONCATENATED MODULE: ./build/agent/index.js
/**
 * The agent: runs on the server under its own Node (18 or later), with nothing but Node's built-ins.
 *
 *   node <agent> activate <job>      one activation, detached
 *   serve(options)                   one session, called by the bootstrap
 */









/** Called by the bootstrap with the rest of standard input. */
function agent_serve(options, input) {
    letHeapGrow();
    const write = process.stdout.write.bind(process.stdout);
    // Standard output belongs to the protocol: everything else is printed to standard error.
    process.stdout.write = process.stderr.write.bind(process.stderr);
    // The runner may be gone while an answer is under way: running work ends in order all the same.
    process.stdout.on('error', () => undefined);
    process.stderr.on('error', () => undefined);
    const written = (bytes) => new Promise((resolve) => write(bytes, () => resolve()));
    exitAfter(serveSession(readAhead(input), written, createOperations(options)));
}
/**
 * In bytes. sshd buffers 2 MiB (OpenSSH 9.2), then the sender waits: with small files, which cost the server
 * much time for their bytes, the wire would often be idle.
 */
const READ_AHEAD = 4 * 1024 * 1024;
function readAhead(input) {
    return external_node_stream_namespaceObject.Readable.from(input, { objectMode: false, highWaterMark: READ_AHEAD });
}
function activate(jobFile) {
    process.stdout.on('error', () => undefined);
    process.stderr.on('error', () => undefined);
    process.on('SIGHUP', () => undefined);
    closeToOthers();
    exitAfter(runJob(parse(job, (0,external_node_fs_namespaceObject.readFileSync)(jobFile, 'utf8'), 'job')));
}
function exitAfter(work) {
    work.then(() => process.exit(0), (error) => {
        console.error(error);
        process.exit(1);
    });
}
const [, , mode, agent_file] = process.argv;
if (mode === 'activate' && agent_file !== undefined)
    activate(agent_file);

module.exports = __webpack_exports__;
/******/ })()
;