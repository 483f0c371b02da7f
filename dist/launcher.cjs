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
/************************************************************************/
var __webpack_exports__ = {};

;// CONCATENATED MODULE: external "node:module"
const external_node_module_namespaceObject = require("node:module");
var external_node_module_default = /*#__PURE__*/__nccwpck_require__.n(external_node_module_namespaceObject);
;// CONCATENATED MODULE: external "node:path"
const external_node_path_namespaceObject = require("node:path");
;// CONCATENATED MODULE: external "node:url"
const external_node_url_namespaceObject = require("node:url");
;// CONCATENATED MODULE: external "node:timers/promises"
const promises_namespaceObject = require("node:timers/promises");
;// CONCATENATED MODULE: external "node:worker_threads"
const external_node_worker_threads_namespaceObject = require("node:worker_threads");
var external_node_worker_threads_default = /*#__PURE__*/__nccwpck_require__.n(external_node_worker_threads_namespaceObject);
;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = require("node:fs");
;// CONCATENATED MODULE: external "node:os"
const external_node_os_namespaceObject = require("node:os");
;// CONCATENATED MODULE: ./build/common/since-boot.js

/** In ms: a clock that all processes of the machine share, and nobody sets. */
function since_boot_sinceBoot() {
    return Math.round((0,external_node_os_namespaceObject.uptime)() * 1000);
}

;// CONCATENATED MODULE: ./build/common/process-identity.js


/**
 * Returns the clock ticks from boot to the start of a process: with the pid, its identity. Null if the process
 * has exited or is a zombie. Linux only, as the servers are.
 */
function startTimeOf(pid) {
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

;// CONCATENATED MODULE: ./build/worker/candidate.js
/** What PM2 does to a process before the launcher runs, done to a candidate, so that it meets what a worker meets. */
/** @param directory the release's folder */
function becomeLikeWorker(directory) {
    // PM2 starts Node in its daemon's folder, and only then changes to the app's (ProcessContainer.js, 5.4 to 7).
    process.chdir(directory);
    process.argv.splice(2);
    process.setSourceMapsEnabled?.(true);
    // PM2's own listener: with one, Node does not end the process.
    process.on('unhandledRejection', (error) => console.error('gapless: unhandled rejection:', error));
}

;// CONCATENATED MODULE: ./build/worker/environment.js
const SYSTEM = 'HOME USER LOGNAME SHELL PATH LANG LANGUAGE TZ TMPDIR XDG_RUNTIME_DIR';
/** Trust stores that an administrator gave to all programs. */
const TRUST = 'SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS';
/** The cluster's channel to the PM2 daemon, and what PM2 tells a worker about itself. */
const PM2 = 'NODE_CHANNEL_FD NODE_CHANNEL_SERIALIZATION_MODE NODE_UNIQUE_ID NODE_APP_INSTANCE PM2_HOME pm_id';
/** The threads are there before the launcher is (PM2 5 to 7 open the log files first), so it says how many there are. */
const THREADS = 'UV_THREADPOOL_SIZE';
const KEPT = new Set(`${SYSTEM} ${TRUST} ${PM2} ${THREADS}`.split(' '));
/** Turns `env` (in place: it is the process's own) into the app's environment. */
function applyEnvironment(env, runtime) {
    for (const name of Object.keys(env)) {
        if (!KEPT.has(name) && !name.startsWith('LC_'))
            delete env[name];
    }
    Object.assign(env, { NODE_ENV: 'production' }, runtime.env);
    // Where the door listens is not what Next.js is told: with HOSTNAME=127.0.0.1 it takes the paths that middleware
    // rewrites for those of another host, and answers 500 behind a proxy that speaks TLS (14.2, 15.5, 16.4).
    env['PORT'] = String(runtime.port);
}

;// CONCATENATED MODULE: external "node:net"
const external_node_net_namespaceObject = require("node:net");
var external_node_net_default = /*#__PURE__*/__nccwpck_require__.n(external_node_net_namespaceObject);
;// CONCATENATED MODULE: ./build/worker/front-door.js

/** Connections that PM2's daemon handed over just before the door closed still arrive: wait for them, in ms. */
const LINGER = 2000;
const front_door_TICK = 100;
/** The longest time that a polite client may keep an idle connection before it uses it again, beyond Node's
 *  own keepAliveTimeout (announced as `Keep-Alive: timeout=5` by default), in ms. */
const POLITENESS = 1000;
/** Node's own, of connections that wait. */
const BACKLOG = 511;
function createFrontDoor(app, { headers = {}, onRequest = () => undefined } = {}) {
    const visitors = new Map();
    let draining = false;
    const doors = [];
    const welcome = (socket) => {
        visitors.set(socket, { busy: 0, latest: null, bytesRead: 0, lastActive: performance.now() });
        socket.on('close', () => visitors.delete(socket));
        app.emit('connection', socket);
    };
    const open = (listen) => new Promise((resolve, reject) => {
        // The same options as Node's http.Server gives its own sockets.
        const door = external_node_net_default().createServer({ allowHalfOpen: true, noDelay: true }, welcome);
        door.once('error', reject);
        door.once('listening', () => {
            door.off('error', reject);
            // An error after this point is PM2's to report.
            door.on('error', (error) => console.error('gapless: the public port failed:', error));
            doors.push(door);
            resolve({
                // In a cluster worker the address is the daemon's.
                port: door.address()?.port ?? 0,
                socket: door._handle,
                close: () => void door.close(),
            });
            if (draining)
                door.close();
        });
        listen(door);
    });
    const isPlain = Object.keys(headers).length === 0;
    const finish = (response, visitor) => beforeHead(response, () => {
        const isLast = visitor === undefined || visitor.latest === response;
        if (draining && isLast && hasArrived(response.req))
            force(response, 'Connection', 'close');
        for (const [name, value] of Object.entries(headers))
            force(response, name, value);
    });
    const arrive = (request, response) => {
        const visitor = visitors.get(request.socket);
        if (draining || !isPlain)
            finish(response, visitor);
        if (visitor === undefined)
            return;
        const onOver = onRequest(request, response);
        visitor.busy += 1;
        visitor.latest = response;
        response.on('close', () => {
            visitor.busy -= 1;
            visitor.lastActive = performance.now();
            // An idle connection would keep its last answer in memory.
            if (visitor.latest === response)
                visitor.latest = null;
            onOver?.();
        });
    };
    const upgrade = ({ socket }) => {
        const visitor = visitors.get(socket);
        if (visitor)
            visitor.busy += 1;
    };
    const emit = app.emit.bind(app);
    // Not by listeners: whoever answers in place of the app's listeners counts, too.
    app.emit = (...args) => {
        if (args[0] === 'request')
            arrive(args[1], args[2]);
        if (args[0] === 'upgrade')
            upgrade(args[1]);
        return emit(...args);
    };
    return {
        open,
        openOn: (socket) => open((server) => {
            // A cluster worker's `listen` would ask the daemon (Node 18 to 24).
            const internal = server;
            internal._handle = socket;
            internal._listen2(null, -1, -1, BACKLOG);
        }),
        drain: (timeoutMs) => new Promise((resolve) => {
            const begun = performance.now();
            const grace = Math.min(app.keepAliveTimeout + POLITENESS, timeoutMs);
            draining = true;
            for (const door of doors)
                door.close();
            // What is being answered already. Before a drain no answer pays for it.
            for (const visitor of visitors.values())
                if (isPlain && visitor.latest !== null)
                    finish(visitor.latest, visitor);
            const timer = setInterval(() => {
                const now = performance.now();
                const late = now - begun >= timeoutMs;
                for (const [socket, visitor] of visitors) {
                    // The rest of a body whose answer is out already, or the beginning of a request.
                    if (socket.bytesRead !== visitor.bytesRead)
                        visitor.lastActive = now;
                    visitor.bytesRead = socket.bytesRead;
                    if (late)
                        socket.destroy();
                    // Closing sooner would reset a client that is about to use its idle connection again.
                    else if (visitor.busy === 0 && now - Math.max(visitor.lastActive, begun) >= grace)
                        socket.end();
                }
                if (visitors.size === 0 && (late || now - begun >= Math.min(LINGER, timeoutMs))) {
                    clearInterval(timer);
                    resolve();
                }
            }, front_door_TICK);
        }),
    };
}
/** Whatever way the app takes, the head of an answer goes through `writeHead` (Node 18 to 24). */
function beforeHead(response, act) {
    const writeHead = response.writeHead;
    response.writeHead = (...args) => {
        if (!response.headersSent)
            act();
        return writeHead.apply(response, args);
    };
}
/**
 * Whether the client has sent all of its request. If it has not, Node reads the rest away after the answer and keeps
 * the connection, unless the answer closes it: then the bytes that nobody reads reset it (18 to 24), and a client that
 * sends first and looks afterwards never sees the answer.
 */
function hasArrived({ complete, headers }) {
    // Node says `complete` only after the listeners of a request without a body, too.
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    return complete || !hasBody;
}
/** Sets a header, whatever the app says about it. */
function force(response, header, forced) {
    const setHeader = response.setHeader;
    response.setHeader = function (name, value) {
        return setHeader.call(this, name, name.toLowerCase() === header.toLowerCase() ? forced : value);
    };
    response.setHeader(header, forced);
}

;// CONCATENATED MODULE: external "node:tls"
const external_node_tls_namespaceObject = require("node:tls");
var external_node_tls_default = /*#__PURE__*/__nccwpck_require__.n(external_node_tls_namespaceObject);
;// CONCATENATED MODULE: ./build/worker/late-variables.js
/**
 * Gives effect to variables of `env` that Node reads only when it starts (18 to 24). PM2 starts a cluster worker with
 * its daemon's environment, so the launcher sets a release's own variables in a Node that runs already.
 */





const CERTIFICATES = 'gapless:extra-certificates';
/**
 * @param env of the release
 * @param folder the app's: relative paths start there
 * @param flags that Node was started with
 */
function applyLateVariables(env, folder, flags) {
    const { NODE_PATH, NODE_COMPILE_CACHE, NODE_EXTRA_CA_CERTS } = env;
    const { _initPaths, enableCompileCache } = (external_node_module_default());
    if (NODE_PATH)
        _initPaths?.();
    if (NODE_COMPILE_CACHE)
        enableCompileCache?.((0,external_node_path_namespaceObject.resolve)(folder, NODE_COMPILE_CACHE));
    if (!NODE_EXTRA_CA_CERTS)
        return;
    const certificates = certificatesIn((0,external_node_path_namespaceObject.resolve)(folder, NODE_EXTRA_CA_CERTS));
    const trusted = { certificates: [...certificates], openSsl: flags.includes('--use-openssl-ca') };
    trust(trusted);
    external_node_worker_threads_default().setEnvironmentData(CERTIFICATES, trusted);
}
/** Does the same in a worker thread of such a process. */
function applyToThread() {
    const trusted = external_node_worker_threads_default().getEnvironmentData(CERTIFICATES);
    if (trusted !== undefined)
        trust(trusted);
}
/** A file that cannot be used does not stop Node from starting either: it warns in these words. */
function certificatesIn(file) {
    try {
        const text = (0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8');
        const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
        if (found.length === 0)
            throw new Error('no certificate found');
        for (const certificate of found)
            external_node_tls_default().createSecureContext({ ca: certificate });
        return found;
    }
    catch (error) {
        process.emitWarning(`Ignoring extra certs from \`${file}\`, load failed: ${error.message}`);
        return [];
    }
}
function trust({ certificates, openSsl }) {
    if (certificates.length === 0)
        return;
    const { getCACertificates, setDefaultCACertificates } = (external_node_tls_default());
    // With the flag, Node does not list OpenSSL's own certificates, and would lose them (22 and 24).
    if (getCACertificates && setDefaultCACertificates && !openSsl) {
        setDefaultCACertificates([...getCACertificates('default'), ...certificates]);
    }
    else {
        addToContexts(certificates);
    }
}
/** Options of a connection that make its context differ from that of any other one. */
const OWN_CONTEXT = 'cert key pfx passphrase ciphers ecdhCurve sigalgs minVersion maxVersion secureProtocol secureOptions sessionIdContext ' +
    'sessionTimeout crl dhparam honorCipherOrder ticketKeys clientCertEngine privateKeyEngine privateKeyIdentifier';
const OWN = OWN_CONTEXT.split(' ');
/** For Node below 22.19, or with `--use-openssl-ca`. Everything that connects over TLS makes its context here: `https`, `fetch`, `http2`. */
function addToContexts(certificates) {
    const create = (external_node_tls_default()).createSecureContext;
    let shared;
    const extended = (options) => {
        const given = (options ?? {});
        if (given['ca'])
            return create(options);
        const isCommon = OWN.every((name) => given[name] === undefined);
        if (isCommon && shared)
            return shared;
        const context = create(options);
        for (const certificate of certificates)
            context.context.addCACert(certificate);
        // One takes 10 ms in Node 18 and 20, as long as a whole connection.
        if (isCommon)
            shared = context;
        return context;
    };
    (external_node_tls_default()).createSecureContext = extended;
    (0,external_node_module_namespaceObject.syncBuiltinESMExports)();
}

;// CONCATENATED MODULE: ./build/worker/addresses.js
/** What the address of a request to a Next.js app asks for (14.2, 15.5, 16.4). */

/** In every address that is looked at here. */
const NEXT = '/_next/';
const STATIC = `${NEXT}static/`;
/**
 * The static file's path below the static folder, whatever base path or asset prefix comes before. Undefined for
 * every other address, and for one that no build makes.
 */
function staticName(url) {
    const [path] = split(url);
    const at = path.indexOf(STATIC);
    if (at < 0)
        return undefined;
    try {
        const name = decodeURIComponent(path.slice(at + STATIC.length));
        const safe = name !== '' && !name.includes('\0') && external_node_path_namespaceObject.posix.normalize(`/${name}`) === `/${name}`;
        return safe ? name : undefined;
    }
    catch {
        return undefined;
    }
}
/** The deployment id of the page that asks for a static file, if it has one. */
function deploymentOf(url) {
    return new URLSearchParams(split(url)[1]).get('dpl');
}
/** The address of the image that the optimizer is asked for, if it is one of this site. */
function imageSource(url) {
    const [path, query] = split(url);
    const source = path.endsWith('/_next/image') ? new URLSearchParams(query).get('url') : null;
    return source?.startsWith('/') ? source : undefined;
}
/** The build id of the page that asks for the data of another page, in the Pages Router. */
function dataBuild(url) {
    const [path] = split(url);
    return path.endsWith('.json') ? /\/_next\/data\/([^/]+)\//.exec(path)?.[1] : undefined;
}
function split(url) {
    const [path = '', query = ''] = url.split('?');
    return [path, query];
}

;// CONCATENATED MODULE: ./build/worker/configured-headers.js
/**
 * Lists the headers that Next.js itself would send with a file (14.2, 15.5, 16.4), in the order of the rules:
 * a later one replaces an earlier one. A value that repeats a part of the path is left out.
 */
function configuredHeaders(rules, request) {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    try {
        return rules.flatMap((rule) => headersOf(rule, path, query, request));
    }
    catch {
        // A later Next.js may write its rules in another way.
        return [];
    }
}
function headersOf({ source, regex, headers, has = [], missing = [] }, path, query, request) {
    if (!new RegExp(regex, 'i').test(path))
        return [];
    const params = {};
    const holds = (condition) => {
        const found = match(condition, configured_headers_valueOf(condition, request, query));
        Object.assign(params, found);
        return found !== null;
    };
    if (!has.every(holds) || missing.some(holds))
        return [];
    const ofPath = source.match(/:[a-z]\w*/gi) ?? [];
    return headers
        .filter(({ value }) => !ofPath.some((param) => value.includes(param)))
        .map(({ key, value }) => [key, fillIn(value, params)]);
}
function configured_headers_valueOf({ type, key = '' }, { headers }, query) {
    switch (type) {
        case 'header':
            return headers[key.toLowerCase()]?.toString();
        case 'cookie':
            return cookies(headers.cookie)[key];
        case 'query':
            return new URLSearchParams(query).getAll(key).at(-1);
        case 'host':
            return headers.host?.split(':', 1)[0]?.toLowerCase();
        default:
            return undefined;
    }
}
function cookies(header = '') {
    return Object.fromEntries(header.split(';').map((pair) => {
        const [name = '', ...value] = pair.split('=');
        return [name.trim(), value.join('=').trim()];
    }));
}
/** @returns the parts that the condition gives a name, or null where it does not hold */
function match({ type, key = '', value }, found) {
    if (!found)
        return null;
    if (!value)
        return { [key.replace(/[^a-z]/gi, '')]: found };
    const matched = new RegExp(`^${value}$`).exec(found);
    if (matched === null)
        return null;
    return { ...(type === 'host' ? { host: matched[0] } : {}), ...matched.groups };
}
function fillIn(value, params) {
    return value.replace(/:(\w+)[*+?]?/g, (whole, name) => params[name] ?? whole);
}

;// CONCATENATED MODULE: ./build/worker/next-build.js
/** What the Next.js build of a release says about itself, read from the release (14.2, 15.5, 16.4). */


/**
 * Reads the build of a release.
 *
 * @param release the release's folder
 * @returns null where the release does not say where its static files are
 */
function readNextBuild(release) {
    const info = readJson((0,external_node_path_namespaceObject.join)(release, '.gapless', 'release.json'));
    if (typeof info?.staticPath !== 'string')
        return null;
    const staticFolder = (0,external_node_path_namespaceObject.join)(release, info.staticPath);
    const buildId = readText((0,external_node_path_namespaceObject.join)(staticFolder, '..', 'BUILD_ID'))?.trim();
    const ofBuild = (name) => readJson((0,external_node_path_namespaceObject.join)(staticFolder, '..', name));
    const server = ofBuild('required-server-files.json');
    const routes = ofBuild('routes-manifest.json');
    return {
        staticFolder,
        // An empty id is none.
        buildId: buildId || null,
        deploymentId: server?.config?.deploymentId || null,
        headers: routes?.headers ?? [],
    };
}
function readJson(file) {
    try {
        return JSON.parse(readText(file) ?? '');
    }
    catch {
        return null;
    }
}
function readText(file) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8');
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./build/worker/same-content.js

const CHUNK = 65_536;
/**
 * Whether two files hold the same bytes. Links to one file are not read.
 *
 * @throws where one of them cannot be read
 */
function sameContent(a, b) {
    const [left, right] = [(0,external_node_fs_namespaceObject.statSync)(a), (0,external_node_fs_namespaceObject.statSync)(b)];
    if (left.ino === right.ino && left.dev === right.dev)
        return true;
    if (left.size !== right.size)
        return false;
    const opened = [];
    try {
        opened.push((0,external_node_fs_namespaceObject.openSync)(a, 'r'), (0,external_node_fs_namespaceObject.openSync)(b, 'r'));
        const chunks = opened.map(() => Buffer.alloc(CHUNK));
        for (;;) {
            const [read, other] = opened.map((file, index) => (0,external_node_fs_namespaceObject.readSync)(file, chunks[index], 0, CHUNK, null));
            if (read !== other || !chunks[0].subarray(0, read).equals(chunks[1].subarray(0, read)))
                return false;
            if (read === 0)
                return true;
        }
    }
    finally {
        for (const file of opened)
            (0,external_node_fs_namespaceObject.closeSync)(file);
    }
}

;// CONCATENATED MODULE: ./build/worker/send-file.js


const SHORT_LIFE = 'public, max-age=0, must-revalidate';
const TYPES = {
    '.js': 'application/javascript; charset=UTF-8',
    '.mjs': 'application/javascript; charset=UTF-8',
    '.css': 'text/css; charset=UTF-8',
    '.json': 'application/json; charset=UTF-8',
    '.map': 'application/json; charset=UTF-8',
    '.txt': 'text/plain; charset=UTF-8',
    '.svg': 'image/svg+xml',
    '.png': 'image/png',
    '.jpg': 'image/jpeg',
    '.jpeg': 'image/jpeg',
    '.gif': 'image/gif',
    '.webp': 'image/webp',
    '.avif': 'image/avif',
    '.ico': 'image/x-icon',
    '.woff': 'font/woff',
    '.woff2': 'font/woff2',
    '.ttf': 'font/ttf',
    '.otf': 'font/otf',
    '.wasm': 'application/wasm',
    '.mp4': 'video/mp4',
    '.webm': 'video/webm',
    '.mp3': 'audio/mpeg',
    '.pdf': 'application/pdf',
};
/**
 * Sends a static file in the app's place. Caches must ask again before they reuse it: a proxy or middleware of the
 * app may add headers that the launcher does not know.
 *
 * @param headers from the app's configuration
 */
function sendFile(file, headers, request, response) {
    const content = (0,external_node_fs_namespaceObject.createReadStream)(file);
    const fail = () => {
        content.destroy();
        // Its release was removed at this very moment, or the disk fails.
        if (response.headersSent)
            return void response.destroy();
        for (const name of response.getHeaderNames())
            response.removeHeader(name);
        response.statusCode = 404;
        response.end();
    };
    content.once('open', (descriptor) => {
        try {
            response.setHeader('Content-Type', TYPES[(0,external_node_path_namespaceObject.extname)(file).toLowerCase()] ?? 'application/octet-stream');
            for (const [name, value] of headers)
                response.setHeader(name, value);
            response.setHeader('Cache-Control', SHORT_LIFE);
            // Of what was opened: by now the name may be gone.
            response.setHeader('Content-Length', (0,external_node_fs_namespaceObject.fstatSync)(descriptor).size);
        }
        catch {
            return fail();
        }
        if (request.method === 'GET')
            return void content.pipe(response);
        content.destroy();
        response.end();
    });
    content.once('error', fail);
    response.once('close', () => content.destroy());
}

;// CONCATENATED MODULE: ./build/worker/other-releases.js
/**
 * Requests of other releases' pages that the app behind this worker cannot answer, or not rightly. While one release
 * replaces another, a page of one asks the workers of the other.
 *
 * Next.js lists its static files when it boots (14.2, 15.5, 16.4). A file's name says which content is meant only where
 * all releases agree: `_buildManifest.js` of a fixed build id has another content in each.
 */







/** Call before the app boots: what is there now is what it will list. */
function otherReleases({ directory }) {
    const own = readNextBuild(directory);
    const listed = new Set(own === null ? [] : filesIn(own.staticFolder));
    const others = buildsBeside(directory);
    /** The build whose file answers in the app's place, if there is one. */
    const inPlaceOfApp = (url) => {
        const name = staticName(url);
        if (own === null || name === undefined)
            return undefined;
        const ours = listed.has(name);
        if (ours && others.lately().agreed.has(name))
            return undefined;
        const { builds, agreed } = others.now();
        const holders = builds.filter(({ staticFolder }) => isFile((0,external_node_path_namespaceObject.join)(staticFolder, name)));
        if (ours && holders.every((other) => sameFile(name, own, other))) {
            agreed.add(name);
            return undefined;
        }
        if (ours)
            holders.unshift(own);
        const deployment = deploymentOf(url);
        const [meant, ...more] = holders.filter(({ deploymentId }) => deployment !== null && deploymentId === deployment);
        // The deployment id makes the address the app's alone.
        if (meant === own && more.length === 0)
            return undefined;
        return meant ?? holders[0];
    };
    const answer = (request, response) => {
        if (request.method !== 'GET' && request.method !== 'HEAD')
            return false;
        const url = request.url ?? '';
        if (!url.includes(NEXT))
            return false;
        const dataOf = dataBuild(url);
        if (dataOf !== undefined && dataOf !== own?.buildId) {
            if (!others.now().builds.some(({ buildId }) => buildId === dataOf))
                return false;
            askForPage(response);
            return true;
        }
        const image = imageSource(url);
        const build = inPlaceOfApp(image ?? url);
        if (build === undefined)
            return false;
        if (build === own) {
            keepFromCaches(response);
            return false;
        }
        // An image is sent as it is: the app's optimizer would not find it.
        const file = (0,external_node_path_namespaceObject.join)(build.staticFolder, staticName(image ?? url) ?? '');
        sendFile(file, configuredHeaders(build.headers, request), request, response);
        return true;
    };
    return {
        attach(app) {
            if (own === null)
                return;
            const listeners = app.listeners('request');
            app.removeAllListeners('request');
            app.on('request', (request, response) => {
                if (answer(request, response))
                    return;
                for (const listener of listeners)
                    listener.call(app, request, response);
            });
        },
    };
}
/** A release is on the server for far longer before a browser can request a file of it, in ms. */
const LATELY = 100;
/** The builds of all other releases on the server. */
function buildsBeside(directory) {
    const releases = (0,external_node_path_namespaceObject.join)(directory, '..');
    let others = { builds: [], agreed: new Set() };
    let [asOf, looked] = [NaN, -Infinity];
    const now = () => {
        looked = performance.now();
        // Complete releases are moved in, and moved out again: the folder's own time tells.
        const changed = (0,external_node_fs_namespaceObject.statSync)(releases, { throwIfNoEntry: false })?.mtimeMs ?? 0;
        if (changed === asOf)
            return others;
        asOf = changed;
        const ids = list(releases).filter((id) => id !== (0,external_node_path_namespaceObject.basename)(directory));
        const newestFirst = [...ids].sort().reverse();
        const builds = newestFirst.flatMap((id) => readNextBuild((0,external_node_path_namespaceObject.join)(releases, id)) ?? []);
        others = { builds, agreed: new Set() };
        return others;
    };
    return { now, lately: () => (performance.now() - looked < LATELY ? others : now()) };
}
/**
 * Makes an old page load the next one from the server, as Next.js does after every answer that is no success (14.2,
 * 15.5, 16.4). Browsers show 404, which the app would answer, in the console as an error.
 */
function askForPage(response) {
    response.writeHead(300, { 'Cache-Control': 'no-store', 'Content-Length': 0 }).end();
}
/** Lets no cache reuse the app's answer without asking again, whatever the app says about it. */
function keepFromCaches(response) {
    const setHeader = response.setHeader;
    response.setHeader = function (name, value) {
        return setHeader.call(this, name, name.toLowerCase() === 'cache-control' ? SHORT_LIFE : value);
    };
}
/** A file that is gone, or cannot be read, has no other content. */
function sameFile(name, a, b) {
    try {
        return sameContent((0,external_node_path_namespaceObject.join)(a.staticFolder, name), (0,external_node_path_namespaceObject.join)(b.staticFolder, name));
    }
    catch {
        return true;
    }
}
/** Nothing, where it is no folder. */
function list(folder) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(folder);
    }
    catch {
        return [];
    }
}
function filesIn(folder, path = '') {
    return list((0,external_node_path_namespaceObject.join)(folder, path)).flatMap((entry) => {
        const name = external_node_path_namespaceObject.posix.join(path, entry);
        return isFile((0,external_node_path_namespaceObject.join)(folder, name)) ? [name] : filesIn(folder, name);
    });
}
/**
 * False for whatever cannot be looked at: visitors choose the names, and even without an entry Node throws for one
 * that is too long (18 to 24) or goes on below a file (18, 20).
 */
function isFile(file) {
    try {
        return (0,external_node_fs_namespaceObject.statSync)(file).isFile();
    }
    catch {
        return false;
    }
}

;// CONCATENATED MODULE: external "node:cluster"
const external_node_cluster_namespaceObject = require("node:cluster");
var external_node_cluster_default = /*#__PURE__*/__nccwpck_require__.n(external_node_cluster_namespaceObject);
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

;// CONCATENATED MODULE: ./build/worker/pass-socket.js
/**
 * Passes a listening socket from one process to another that did not start it. Node sends sockets to child processes
 * alone, through a pipe of the kind that it calls IPC. Such a pipe over a Unix socket does it for strangers, and only
 * `process.binding` makes one (Node 18 to 24).
 */




const node = process;
/** How long whoever gives may take, in ms. */
const PATIENCE = 1000;
/**
 * Gives a socket to every process that connects to this path, whose folder must be this user's alone.
 * @param choose asked each time; null: none
 */
function giveSocket(file, choose) {
    const path = shortened(file);
    (0,external_node_fs_namespaceObject.rmSync)(path, { force: true });
    // Nothing may be read from it: the descriptor is used once more below.
    const server = external_node_net_default().createServer({ pauseOnConnect: true }, (connection) => {
        connection.on('error', () => undefined);
        try {
            const socket = choose();
            if (socket !== null)
                send(connection, socket);
        }
        finally {
            connection.destroySoon();
        }
    });
    server.on('error', (error) => console.error('gapless: cannot pass the public port on:', error.message));
    // In a cluster worker without `exclusive` the daemon would listen.
    server.listen({ path, exclusive: true });
    server.unref();
    process.once('exit', () => {
        try {
            (0,external_node_fs_namespaceObject.rmSync)(path, { force: true });
        }
        catch {
            // A read-only file system: the agent removes what dead workers leave.
        }
    });
}
/** It never reads, so that Node watches the descriptor for the connection alone, which closes it. */
function send(connection, socket) {
    const { Pipe, constants } = node.binding('pipe_wrap');
    const { WriteWrap } = node.binding('stream_wrap');
    const pipe = new Pipe(constants.IPC);
    pipe.open(connection._handle.fd);
    // One byte fits at once: nothing is left to be sent afterwards.
    pipe.writeUtf8String(new WriteWrap(), '.', socket);
}
/** The kernel takes 107 bytes for the address of a Unix socket. */
function shortened(file) {
    if (Buffer.byteLength(file) <= 107)
        return file;
    const folder = (0,external_node_fs_namespaceObject.openSync)((0,external_node_path_namespaceObject.dirname)(file), 'r');
    return `/proc/self/fd/${folder}/${(0,external_node_path_namespaceObject.basename)(file)}`;
}
/** @returns null where nobody gives one */
function takeSocket(file) {
    return new Promise((resolve) => {
        let pipe;
        const timer = setTimeout(() => end(null), PATIENCE);
        const end = (socket) => {
            clearTimeout(timer);
            pipe?.close();
            pipe = undefined;
            resolve(socket);
        };
        try {
            const { Pipe, PipeConnectWrap, constants } = node.binding('pipe_wrap');
            const taking = new Pipe(constants.IPC);
            pipe = taking;
            const request = new PipeConnectWrap();
            request.oncomplete = (status) => {
                if (status !== 0)
                    return end(null);
                taking.pendingHandle = null;
                taking.onread = () => end(taking.pendingHandle);
                taking.readStart();
            };
            if (taking.connect(request, shortened(file)) !== 0)
                end(null);
        }
        catch {
            end(null);
        }
    });
}
/** The kernel's number of a socket of this process. */
function inodeOf({ fd }) {
    return inodeAt(`/proc/self/fd/${fd}`) ?? '';
}

;// CONCATENATED MODULE: ./build/worker/share.js
/** The listening socket of the app's public address. Its workers pass it to each other, so that it outlives each of them. */


/** Gives it to every other worker that asks, until this one drains. */
function openShare(records, isDraining) {
    const share = { socket: null };
    try {
        giveSocket(fileOf(records, process.pid), () => (isDraining() ? null : share.socket));
    }
    catch (error) {
        // Where there is no room for the record either, the worker must serve.
        console.error('gapless: cannot share the public port:', error.message);
    }
    return share;
}
/** @returns the socket of the first that gives it, also of this worker itself; null where none does */
async function takeFrom(workers, records) {
    for (const { pid } of workers) {
        const socket = await takeSocket(fileOf(records, pid));
        if (socket !== null)
            return socket;
    }
    return null;
}
/** The path at which an orphan gives the socket to the workers of a new daemon, which pass it to that daemon. */
function giftOf(records, pid) {
    return (0,external_node_path_namespaceObject.join)(records, `${pid}.gift`);
}
/** Listens on a socket of this worker's own, not through PM2's daemon. @returns null where it cannot */
function bindOwn(door, address) {
    // That is what `exclusive` means in a cluster worker.
    return door.open((server) => server.listen({ ...address, exclusive: true })).catch(() => null);
}
function fileOf(records, pid) {
    return (0,external_node_path_namespaceObject.join)(records, `${pid}.share`);
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
const failure = failures(protocol_texts);

;// CONCATENATED MODULE: ./build/protocol/guards.js
/**
 * Guards turn data from a connection or a file into a typed value, or fail naming the place. The types of the
 * messages are inferred from the guards, so the two cannot differ.
 */

function malformed(problem, cause) {
    return failure('malformed-message', { problem }, { cause });
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
function guards_list(guard) {
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
    answers: guards_list(count),
    /** Connections that the worker closed in the middle of an answer. */
    aborted: count,
    /** Exceptions that no handler caught. */
    errors: count,
    inProgress: count,
    slowestMs: count,
    /** Answers by how long they took: see `bucketOf`. */
    times: guards_list(count),
    /** The longest that the event loop stood still since the last report, in ms. */
    loopDelayMs: count,
    memoryBytes: count,
    /** Failed answers by path, without the query. */
    failing: dictionary(count),
    /** Oldest first, and the closer together the younger they are. */
    past: guards_list(moment),
});
/** Answers that say whether the worker is well: all but those to a mistake of the client (4xx). */
function traffic_answeredBy({ answers, aborted }) {
    const [informed = 0, good = 0, redirected = 0, , failed = 0] = answers;
    return informed + good + redirected + failed + aborted;
}
/** Answers with 5xx, and connections that the worker closed in the middle. */
function traffic_failedBy({ answers, aborted }) {
    return (answers[4] ?? 0) + aborted;
}
/** Each bucket of times reaches so much further than the one before it. */
const STEP = 1.25;
/** The bucket of an answer that took so long. The first reaches to 1 ms. */
function bucketOf(ms) {
    return ms <= 1 ? 0 : Math.ceil(Math.log(ms) / Math.log(STEP));
}
/** How long all but the slowest 5% took at the most, in ms; null where there were no answers. */
function traffic_p95({ times }) {
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
    status: guards_list(guards_list(count)),
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
    nodeOptions: guards_list(string),
    env: dictionary(string),
    health: healthCheck,
    observeMs: count,
    drainTimeoutMs: count,
    /** Paths, relative to the app, that live in `<path>/shared`. */
    sharedDirs: guards_list(string),
    sharedFiles: guards_list(string),
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
    cpuFlags: guards_list(string),
    /** Absolute path of the app's folder. */
    path: string,
    /** Identifies this folder on this machine, whatever names both have. */
    identity: string,
    pm2: nullable(object({ version: string, path: string, home: string })),
    searched: guards_list(string),
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
    workers: guards_list(workerState),
    /** The lines about missing files that the workers of a live release logged; '' in verdicts of version 0.1. */
    notFound: missingAs('', string),
    /** Null where nobody watched it. */
    watch: nullable(object({
        /** The release is on probation: this is no verdict yet. */
        open: guards_boolean,
        /** What traffic has said last. */
        line: string,
        warnings: guards_list(string),
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
    pids: guards_list(count),
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
    others: guards_list(object({ pid: count, answered: count, failed: count })),
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
    paths: guards_list(string),
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
    movedPorts: guards_list(count),
    notFound: string,
    cache: nullable(cacheSharing),
});
/** Every operation of the agent: parameters, result. `body` operations are followed by data frames; `verify` also answers with some. */
const operations = {
    inspect: { params: nothing, result: serverFacts },
    releases: { params: nothing, result: object({ releases: guards_list(releaseSummary) }) },
    status: {
        params: nothing,
        result: object({
            /** What `current` points at. */
            live: nullable(releaseId),
            /** The release of the workers that receive traffic, where all run the same. */
            served: nullable(releaseId),
            releases: guards_list(releaseSummary),
            workers: guards_list(workerState),
            lock: nullable(string),
            interrupted: nullable(string),
            /** How the current release has done since it went live; null where no worker tells. */
            lived: nullable(string),
            journal: guards_list(journalEntry),
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
        result: object({ path: nullable(string), missing: string, leftOut: guards_list(string) }),
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
        result: object({ findings: guards_list(finding), pruned: guards_list(releaseId) }),
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
            repaired: guards_list(string),
            /** Paths outside of code that differ from the upload. */
            changed: guards_list(string),
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
        result: object({ removed: guards_list(prunedPreview) }),
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
            removed: guards_list(releaseId),
            inUse: guards_list(releaseId),
            kept: guards_list(releaseId),
            /** The holder of the lock, who cleans up afterwards: nothing was done. */
            leftTo: nullable(string),
            /** What the app wrote into releases that no longer serve; reported once for each time that they served. */
            written: guards_list(writtenInRelease),
            /** Versions of Node and PM2 that setup had replaced and nothing ran from, below the home. */
            runtimes: guards_list(string),
        }),
    },
    /** Rows of `check`. Changes nothing. */
    survey: { params: nothing, result: object({ rows: guards_list(surveyRow) }) },
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
    movedPorts: nullable(guards_list(count)),
    /** Null until it is known, and from a launcher that does not tell. */
    cache: nullable(cacheSharing),
    /** Whether it goes on serving when PM2's daemon dies. */
    outlives: missingAs(false, guards_boolean),
    /** Set when PM2's daemon has died. */
    orphaned: nullable(object({
        /** When, of since-boot.ts. */
        since: count,
        /** The other workers that took traffic then. */
        beside: guards_list(count),
    })),
    /** Null until the first visitor, and from a launcher that does not count. */
    traffic: nullable(traffic),
});

;// CONCATENATED MODULE: ./build/worker/siblings.js
/** What the app's other workers say of themselves. */





/** The workers that live, without this one and without candidates, in the order of their pids. */
function siblings(folder) {
    return [...pidsIn(folder)]
        .filter((pid) => pid !== process.pid)
        .sort((a, b) => a - b)
        .flatMap((pid) => {
        const record = read((0,external_node_path_namespaceObject.join)(folder, `${pid}.json`));
        const counts = record !== null && !record.candidate && startTimeOf(record.pid) === record.startTime;
        return counts ? [record] : [];
    });
}
function pidsIn(folder) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(folder).flatMap((name) => Number(/^(\d+)\.json$/.exec(name)?.[1]) || []);
    }
    catch {
        return [];
    }
}
/** Null where it has just gone, or is another version's. */
function read(file) {
    try {
        return parse(workerRecord, (0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8'), 'worker record');
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./build/worker/orphan.js
/**
 * A worker outlives PM2's daemon, which accepted the visitors for it: it does so itself, until workers of another daemon
 * have taken over. All orphans listen through one socket: those of several would reset what waits when they close.
 */








/** From here on the death of PM2's daemon does not end this process, as Node's and PM2's own code would. */
function outliveDaemon(options) {
    const { worker } = (external_node_cluster_default());
    if (worker === undefined)
        return;
    const daemon = { pid: process.ppid, startTime: startTimeOf(process.ppid) };
    options.record.update({ outlives: true });
    worker.once('disconnect', () => {
        // Told to by the daemon; or PM2's code says so before it ends the process (`uncaughtException`, 5.4 to 7).
        if (worker.exitedAfterDisconnect || process.connected)
            return;
        worker.exitedAfterDisconnect = true;
        // PM2's metrics end a process that is not connected, and send nothing from one that never was (5.4 to 7).
        Object.assign(process, { connected: undefined });
        if (options.isDraining())
            return;
        const daemonLives = () => startTimeOf(daemon.pid) === daemon.startTime;
        beOrphan(options, daemonLives).catch((error) => {
            console.error('gapless: The worker cannot serve without the PM2 daemon:', error);
            process.exit(1);
        });
    });
}
/** The daemon keeps every socket that it is given: one is enough, and its workers find it there. In ms. */
const NEXT_GIFT = 3000;
/** A daemon that closed the channel and lives on starts another worker in place of this one. In ms. */
const LAST_BREATH = 2000;
async function beOrphan(options, daemonLives) {
    const { records, record, isDraining, leave } = options;
    const since = since_boot_sinceBoot();
    const beside = siblings(records)
        .filter(({ phase }) => phase === 'open')
        .map(({ pid }) => pid);
    record.update({ orphaned: { since, beside } });
    const leaveAfterwards = async () => {
        await untilTakenOver(options);
        if (!isDraining())
            leave();
    };
    // Workers of a new daemon may have bound the port first.
    await Promise.all([listenAgain(options, daemonLives), leaveAfterwards()]);
}
async function listenAgain(options, daemonLives) {
    // A preview's worker never listened through the daemon.
    if (options.address.socket)
        return;
    const begun = performance.now();
    while (!options.isDraining()) {
        if (await listen(options)) {
            console.error(`gapless: PM2's daemon died. Worker ${process.pid} keeps serving without it.`);
            return;
        }
        const waited = performance.now() - begun;
        if (waited > LAST_BREATH && daemonLives())
            process.exit(0);
        await (0,promises_namespaceObject.setTimeout)(waited < 200 ? 2 : waited < LAST_BREATH ? 20 : 250);
    }
}
/** @returns whether this one listens now */
async function listen(options) {
    const { share, records, isDraining } = options;
    const entrance = await enter(options);
    if (entrance === null)
        return false;
    share.socket = entrance.socket;
    let gave = -Infinity;
    giveSocket(giftOf(records, process.pid), () => {
        if (isDraining() || performance.now() - gave < NEXT_GIFT)
            return null;
        gave = performance.now();
        return entrance.socket;
    });
    return true;
}
/** A worker that has no share of the daemon's socket binds the port anew, or gets what another has bound. */
async function enter({ door, address, share, records }) {
    if (share.socket !== null)
        return door.openOn(share.socket);
    const bound = await bindOwn(door, address);
    if (bound !== null)
        return bound;
    const orphans = siblings(records).filter(({ orphaned }) => orphaned !== null);
    const taken = await takeFrom(orphans, records);
    return taken === null ? null : door.openOn(taken);
}
/** Between two looks at the others, in ms. */
const LOOK = 250;
/** Workers of the new daemon that come up are waited for, in ms. */
const STABLE = 1000;
const LONGEST = 60_000;
/** Until workers of a daemon take the traffic, and none of them is still coming up. An activation tells its own time. */
async function untilTakenOver({ records, appDirectory, address, isDraining }) {
    let first = null;
    let stable = null;
    while (!isDraining()) {
        const now = performance.now();
        const attached = siblings(records).filter(({ orphaned }) => orphaned === null);
        const serving = attached.some(({ phase, doorPort }) => phase === 'open' && doorPort === address.port);
        const coming = attached.some(({ phase }) => phase === 'booting' || phase === 'proving');
        first = serving ? (first ?? now) : null;
        stable = serving && !coming ? (stable ?? now) : null;
        const isOver = (stable !== null && now - stable >= STABLE) || (first !== null && now - first >= LONGEST);
        if (isOver && readActivation(appDirectory) === null)
            return;
        await (0,promises_namespaceObject.setTimeout)(LOOK);
    }
}

;// CONCATENATED MODULE: external "node:dns"
const external_node_dns_namespaceObject = require("node:dns");
var external_node_dns_default = /*#__PURE__*/__nccwpck_require__.n(external_node_dns_namespaceObject);
;// CONCATENATED MODULE: ./build/worker/own-ports.js
/**
 * The app's connections to its own ports, led to where this very process listens.
 *
 * Another release may serve on the public port: a page that requests `http://localhost:3000/api` of its own app would
 * be checked with the other release's answers. Everything in Node connects through `net.Socket` (18 to 24): `http`,
 * `tls`, and `fetch`. Child processes are not reached.
 */





const PORTS = 65_536;
const REFUSED = -1;
const TABLE = 'gapless:own-ports';
/** @param launcherFile what every worker thread loads first, to call `leadThread` */
function leadToOwnPorts(launcherFile) {
    const table = new Int32Array(new SharedArrayBuffer(PORTS * Int32Array.BYTES_PER_ELEMENT));
    leadConnections(table);
    external_node_worker_threads_default().setEnvironmentData(TABLE, table);
    leadThreads(launcherFile);
    return { lead: (port, actual) => void (table[port] = actual ?? REFUSED) };
}
/** Does the same in a worker thread of such a process. */
function leadThread(launcherFile) {
    const table = external_node_worker_threads_default().getEnvironmentData(TABLE);
    if (!(table instanceof Int32Array))
        return;
    leadConnections(table);
    leadThreads(launcherFile);
}
function leadConnections(table) {
    const connect = (external_node_net_default()).Socket.prototype.connect;
    const lead = function (...args) {
        const { options, callback } = readArguments(args);
        const port = Number(options.port);
        // `http` sets the path to null.
        if (options.path || !table[port])
            return Reflect.apply(connect, this, args);
        const home = () => ({
            ...options,
            host: '127.0.0.1',
            port: Math.max(0, table[port] ?? 0),
            family: undefined,
            localAddress: undefined,
        });
        const host = options.host || 'localhost';
        if (external_node_net_default().isIP(host) !== 0) {
            return isOfThisMachine(host) ? connect.call(this, home(), callback) : Reflect.apply(connect, this, args);
        }
        const given = (options.lookup ?? (external_node_dns_default()).lookup);
        const lookup = (name, how, answer) => {
            given(name, how, (error, addresses, family) => {
                const found = [addresses ?? []].flat().map((each) => (typeof each === 'string' ? each : each.address));
                if (error !== null || !found.some(isOfThisMachine))
                    return answer(error, addresses, family);
                // Instead of an answer: a lookup gives the address alone, and the port has to change with it.
                if (this.connecting)
                    connect.call(this, home());
            });
        };
        return connect.call(this, { ...options, lookup }, callback);
    };
    (external_node_net_default()).Socket.prototype.connect = lead;
}
/** `connect` takes `(port, host?)`, `(path)`, `(options)`, and from `net.connect` an array of options and callback. */
function readArguments(args) {
    if (Array.isArray(args[0]))
        return readArguments(args[0]);
    const [first, second] = args;
    const callback = args.findLast((argument) => typeof argument === 'function');
    if (typeof first === 'object' && first !== null)
        return { options: first, callback };
    const host = typeof second === 'string' ? { host: second } : {};
    return { options: { port: first, ...host }, callback };
}
function isOfThisMachine(address) {
    const own = new (external_node_net_default()).BlockList();
    own.addSubnet('127.0.0.0', 8);
    for (const { address: each, family } of Object.values((0,external_node_os_namespaceObject.networkInterfaces)()).flatMap((all) => all ?? [])) {
        own.addAddress(each, family === 'IPv6' ? 'ipv6' : 'ipv4');
    }
    // Linux takes the unspecified addresses for its own.
    for (const each of ['::1', '::'])
        own.addAddress(each, 'ipv6');
    own.addAddress('0.0.0.0');
    const [plain = ''] = address.split('%');
    return own.check(plain, external_node_net_default().isIPv6(plain) ? 'ipv6' : 'ipv4');
}
/** A thread has modules of its own. One that cannot be given another option is left as it is. */
function leadThreads(launcherFile) {
    (external_node_worker_threads_default()).Worker = new Proxy((external_node_worker_threads_default()).Worker, {
        construct(Worker, args, newTarget) {
            const [file, options] = args;
            const given = options?.execArgv ?? process.execArgv;
            const start = (flags) => {
                const execArgv = [...flags, '--require', launcherFile];
                return Reflect.construct(Worker, [file, { ...options, execArgv }], newTarget);
            };
            try {
                return start(given);
            }
            catch (error) {
                try {
                    // V8's own flags belong to the whole process, and the error names them (Node 18 to 24).
                    return start(given.filter((flag) => !error.message.includes(flag)));
                }
                catch {
                    return Reflect.construct(Worker, args, newTarget);
                }
            }
        },
    });
    (0,external_node_module_namespaceObject.syncBuiltinESMExports)();
}

;// CONCATENATED MODULE: external "node:http"
const external_node_http_namespaceObject = require("node:http");
var external_node_http_default = /*#__PURE__*/__nccwpck_require__.n(external_node_http_namespaceObject);
;// CONCATENATED MODULE: ./build/worker/requested-address.js
/** Reads a call of `listen` or `bind`: they take `(port?, host?)`, `(path)`, `(handle)` and `(options)`. */
function requestedAddress([first, second]) {
    const isOptions = typeof first === 'object' && first !== null;
    const { port, host } = isOptions
        ? first
        : { port: first, host: second };
    return { port: Number(port) || 0, host: typeof host === 'string' && host !== '' ? host : undefined };
}

;// CONCATENATED MODULE: ./build/worker/private-port.js
/**
 * Turns the app's own `listen` on the public port into one on a private port of this process, so that the
 * app can be asked before anybody else reaches it.
 */




/**
 * Waits for the first HTTP server that listens on `publicPort`. Every other `listen` is left alone.
 *
 * The server reports the address that the app asked for: Next.js takes its own port from `server.address()`, and
 * `request.url` would name the private one (seen in 16).
 */
function capturePublicServer(publicPort, ownPorts) {
    ownPorts.lead(publicPort, null);
    return new Promise((resolve) => {
        const listen = (external_node_net_default()).Server.prototype.listen;
        const capture = function (...args) {
            if (!(this instanceof external_node_http_namespaceObject.Server) || requestedAddress(args).port !== publicPort) {
                return Reflect.apply(listen, this, args);
            }
            (external_node_net_default()).Server.prototype.listen = listen;
            return listenPrivately(this, args);
        };
        (external_node_net_default()).Server.prototype.listen = capture;
        const listenPrivately = (server, args) => {
            server.once('listening', () => {
                const { port } = external_node_net_default().Server.prototype.address.call(server);
                ownPorts.lead(publicPort, port);
                resolve({ server, port });
            });
            const address = { ...plainAddress(requestedAddress(args).host), port: publicPort };
            server.address = () => address;
            const callback = args.find((argument) => typeof argument === 'function');
            // `exclusive`: in a cluster worker, a socket of its own instead of one shared through the daemon.
            return listen.call(server, { host: '127.0.0.1', port: 0, exclusive: true }, callback);
        };
    });
}
/** What `server.address()` says after a `listen` on this host. */
function plainAddress(host) {
    if (host === undefined)
        return hasIPv6() ? { address: '::', family: 'IPv6' } : plainAddress('0.0.0.0');
    if (external_node_net_default().isIPv6(host))
        return { address: host, family: 'IPv6' };
    return { address: external_node_net_default().isIPv4(host) ? host : '127.0.0.1', family: 'IPv4' };
}
function hasIPv6() {
    return Object.values((0,external_node_os_namespaceObject.networkInterfaces)()).some((addresses) => addresses?.some(({ family }) => family === 'IPv6'));
}

;// CONCATENATED MODULE: ./build/common/format.js
/** Quantities for people. */
/** In ms. */
const UNITS = (/* unused pure expression or super */ null && ([
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
]));
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
            response.on('end', () => resolve(judge(check, response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'))));
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
function judge(check, status, body) {
    const excerpt = body.slice(0, EXCERPT);
    const accepted = check.status.some(([from = 0, to = 0]) => status >= from && status <= to);
    if (!accepted)
        return { healthy: false, status, detail: `HTTP ${status}`, excerpt };
    if (check.body !== null && !body.includes(check.body)) {
        return { healthy: false, status, detail: `HTTP ${status} without the expected text`, excerpt };
    }
    return { healthy: true, status, detail: `HTTP ${status}`, excerpt };
}

;// CONCATENATED MODULE: ./build/worker/proof.js
/** The trial of a worker behind its closed door. */


/** Asks this often within an observation even where the user's interval is longer, in milliseconds. */
const LONGEST_PAUSE = 1000;
/** Resolves when the release has proved itself. It tries for ever: the agent, or PM2's user, decides when to stop. */
async function proveHealthy({ port, check, observeMs, insistMs, onAnswer }) {
    const pause = Math.max(50, Math.min(check.intervalMs, observeMs > 0 ? observeMs / 3 : LONGEST_PAUSE, LONGEST_PAUSE));
    const begun = performance.now();
    let healthySince;
    for (;;) {
        const answer = await askHealth('127.0.0.1', port, check);
        onAnswer(answer);
        const content = answer.status > 0 && performance.now() - begun >= insistMs;
        if (answer.healthy || content) {
            healthySince ??= performance.now();
            if (performance.now() - healthySince >= observeMs)
                return;
        }
        else {
            healthySince = undefined;
        }
        await (0,promises_namespaceObject.setTimeout)(pause);
    }
}

;// CONCATENATED MODULE: ./build/worker/preview.js
/** What sets a preview's worker apart: it gives way to the app that it previews, and shares nothing with it. */



/** Search engines must not list a preview. */
const NOINDEX = { 'X-Robots-Tag': 'noindex' };
/** The app's own workers have 0. */
const NICE = 10;
/** Where memory runs out, the kernel ends a process with a higher number first; the app's own have 0. */
const OOM_SCORE = '500';
function behaveAsPreview() {
    bestEffort(() => (0,external_node_os_namespaceObject.setPriority)(NICE));
    bestEffort(() => (0,external_node_fs_namespaceObject.writeFileSync)('/proc/self/oom_score_adj', OOM_SCORE));
    // In a cluster worker every `listen` and `bind` asks PM2's daemon, which gives all apps one socket for one port: the
    // preview would take a share of the app's connections to a second port (Node 18 to 24).
    Object.assign((external_node_cluster_default()), { isPrimary: true, isMaster: true, isWorker: false });
}
/** A container may forbid it: then the preview runs as any other process. */
function bestEffort(act) {
    try {
        act();
    }
    catch (error) {
        console.error('gapless: cannot lower the priority of the preview:', error.message);
    }
}

;// CONCATENATED MODULE: external "node:dns/promises"
const external_node_dns_promises_namespaceObject = require("node:dns/promises");
;// CONCATENATED MODULE: ./build/worker/public-port.js
/**
 * The way to the app's public port. PM2's daemon accepts for all workers. A worker binds the port and gives the daemon
 * the socket, of which every worker keeps a share: what waits in it outlives the daemon. While orphans listen, one of them
 * gives theirs. Where workers of an older launcher run, the daemon has bound the port itself, and nobody has a share.
 */







/** How long a worker tries to get the port from others of its app, in ms. */
const public_port_PATIENCE = 10_000;
const PAUSE = 50;
/** How long they may take to listen, in ms. */
const FIRST = 1000;
/** After a time in which the first orphan could have given the port, all are asked: it may hang. In ms. */
const TURN = 3000;
/** @returns the port. Rejects when it is taken (`EADDRINUSE`) or not allowed (`EACCES`). */
async function openPublicPort(door, { host: name, port }, records, share) {
    const { address: host } = await (0,external_node_dns_promises_namespaceObject.lookup)(name);
    const address = { host, port };
    const viaDaemon = async () => (await door.open((server) => server.listen({ ...address }))).port;
    // Nobody sees what a daemon holds whose Node.js has capabilities of its own (`setcap`).
    if ((external_node_cluster_default()).worker === undefined || !isVisible(process.ppid))
        return viaDaemon();
    const begun = performance.now();
    const waited = () => performance.now() - begun;
    for (;;) {
        const bound = socketInDaemon(address) === undefined ? await bindForDaemon(door, address, records, share) : null;
        if (bound !== null)
            return bound;
        try {
            return await viaDaemon();
        }
        catch (error) {
            const isTaken = error.code === 'EADDRINUSE';
            if (!isTaken || waited() > public_port_PATIENCE)
                throw error;
            const opened = await openOnSocketInDaemon(door, address);
            if (opened !== null) {
                await takeShare(address, records, share);
                return opened;
            }
            const sockets = socketsAt(address);
            const holders = siblings(records).filter(({ pid }) => heldBy(pid, sockets).length > 0);
            // Workers that have just become orphans may not listen yet.
            if (holders.length === 0 && waited() > FIRST)
                throw error;
            const asked = waited() > TURN ? holders : holders.slice(0, 1);
            share.socket ??= await passOn(asked.map(({ pid }) => giftOf(records, pid)));
            await (0,promises_namespaceObject.setTimeout)(PAUSE);
        }
    }
}
/** @returns the port; null where the address is taken, or the daemon cannot listen there */
async function bindForDaemon(door, address, records, share) {
    const own = await bindOwn(door, address);
    if (own === null)
        return null;
    share.socket = own.socket;
    await giveToDaemon(own.socket);
    const opened = await openOnSocketInDaemon(door, address);
    // To keep it without accepting from it takes a second descriptor.
    share.socket = opened === null ? null : await takeFrom([process], records);
    own.close();
    return opened;
}
/** A socket that the daemon did not bind itself is reached by its descriptor alone. @returns the port */
async function openOnSocketInDaemon(door, address) {
    const fd = socketInDaemon(address)?.fd;
    if (fd === undefined)
        return null;
    return door
        .open((server) => server.listen({ fd }))
        .then(() => address.port, () => null);
}
async function takeShare(address, records, share) {
    const inode = socketInDaemon(address)?.inode;
    const ifOfDaemon = (socket) => {
        if (socket === null || inodeOf(socket) === inode)
            return socket;
        socket.close();
        return null;
    };
    share.socket = ifOfDaemon(share.socket);
    share.socket ??= ifOfDaemon(await takeFrom(siblings(records), records));
}
/** Passes the socket of the first who gives it to the daemon. */
async function passOn(gifts) {
    for (const gift of gifts) {
        const socket = await takeSocket(gift);
        if (socket === null)
            continue;
        await giveToDaemon(socket);
        return socket;
    }
    return null;
}
/** PM2 keeps what a worker sends it, and does nothing with it (5.4 to 7): the descriptor stays open there. */
async function giveToDaemon(socket) {
    const inode = inodeOf(socket);
    const handle = socket;
    process.send?.({ gapless: 'the public port' }, handle);
    const begun = performance.now();
    while (descriptorOf(process.ppid, inode) === null && performance.now() - begun < public_port_PATIENCE)
        await (0,promises_namespaceObject.setTimeout)(5);
}
function socketInDaemon(address) {
    return heldBy(process.ppid, socketsAt(address))[0];
}
function socketsAt({ host, port }) {
    const address = kernelAddress(host);
    return listeningSockets().filter((socket) => socket.port === port && socket.host === address);
}

;// CONCATENATED MODULE: ./build/worker/public-socket.js
/**
 * The way to a preview's public Unix socket. Its workers bind it themselves, never through PM2's daemon, so the daemon's
 * death costs no request. A new worker gets the listening socket from the one that serves: both take connections from it
 * until the old one leaves, and whichever fails, the other goes on.
 */





/** The user and the group of the folder, so that a proxy in that group can connect. */
const MODE = 0o660;
/** @throws where something other than a socket has the path, or the folder is not writable */
async function openPublicSocket(door, path, records, share) {
    const open = siblings(records).filter(({ phase }) => phase === 'open');
    const taken = isSocket(path) ? await takeFrom(open, records) : null;
    const { socket } = taken === null ? await bind(door, path) : await door.openOn(taken);
    share.socket = socket;
}
/** Replaces a socket that nobody listens on any more in one step. */
async function bind(door, path) {
    // Under another name at first: closing a socket removes the file that it was bound to (libuv, Node 18 to 24), which
    // would be the next worker's.
    const own = (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(path), `.${(0,external_node_path_namespaceObject.basename)(path)}.${process.pid}`);
    // In a cluster worker `exclusive` is a socket of its own.
    const entrance = await door.open((server) => server.listen({ path: shortened(own), exclusive: true }));
    (0,external_node_fs_namespaceObject.chmodSync)(own, MODE);
    (0,external_node_fs_namespaceObject.renameSync)(own, path);
    return entrance;
}
/** @throws where something else is there */
function isSocket(path) {
    const stat = (0,external_node_fs_namespaceObject.lstatSync)(path, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isSocket())
        throw new Error('something other than a socket is there');
    return stat !== undefined;
}

;// CONCATENATED MODULE: ./build/worker/record.js
/**
 * What a worker says about itself, in `<path>/.gapless/workers/<pid>.json`. PM2's own list calls hung and
 * crash-looping workers "online" and cannot tell which release a process runs; this record can.
 */



/** In ms: the agent makes room on a full disk, and then looks for the record. */
const RETRY = 500;
/** Keeps the record up to date and removes it when the process exits. */
function keepRecord(directory, release, candidate) {
    const file = (0,external_node_path_namespaceObject.join)(directory, `${process.pid}.json`);
    let record = {
        pid: process.pid,
        startTime: startTimeOf(process.pid) ?? '',
        release,
        candidate,
        phase: 'booting',
        port: 0,
        doorPort: 0,
        leavesAt: null,
        detail: '',
        excerpt: '',
        movedPorts: [],
        cache: null,
        outlives: false,
        orphaned: null,
        traffic: null,
    };
    let complained = false;
    let retry;
    const write = () => {
        clearTimeout(retry);
        // A worker that cannot write its record must still serve: a full disk is no reason to be down.
        try {
            (0,external_node_fs_namespaceObject.mkdirSync)(directory, { recursive: true, mode: 0o700 });
            (0,external_node_fs_namespaceObject.writeFileSync)(`${file}.tmp`, JSON.stringify(record), { mode: 0o600 });
            (0,external_node_fs_namespaceObject.renameSync)(`${file}.tmp`, file);
        }
        catch (error) {
            // Nobody knows what it serves until then.
            retry = setTimeout(write, RETRY).unref();
            if (complained)
                return;
            complained = true;
            console.error('gapless: cannot write the worker record:', error.message);
        }
    };
    process.on('exit', () => {
        try {
            for (const name of [file, `${file}.tmp`])
                (0,external_node_fs_namespaceObject.rmSync)(name, { force: true });
        }
        catch {
            // A read-only file system: the agent knows a dead worker by its pid.
        }
    });
    write();
    return {
        update(change) {
            const next = { ...record, ...change };
            if (JSON.stringify(next) === JSON.stringify(record))
                return;
            record = next;
            write();
        },
    };
}

;// CONCATENATED MODULE: ./build/worker/release.js
/** What the launcher knows of the release that it lives in. It reads; it never writes into the release. */




/** @param launcherDirectory the real folder of the launcher: `<path>/releases/<id>/.gapless` */
function readRelease(launcherDirectory) {
    const directory = (0,external_node_path_namespaceObject.dirname)(launcherDirectory);
    const appDirectory = (0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.dirname)(directory));
    const info = JSON.parse((0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(launcherDirectory, 'release.json'), 'utf8'));
    const file = (0,external_node_path_namespaceObject.join)(launcherDirectory, 'runtime.json');
    return {
        id: info.id,
        directory,
        appDirectory,
        entry: (0,external_node_path_namespaceObject.join)(directory, info.entry),
        staticPath: info.staticPath ?? null,
        distDirectory: (0,external_node_path_namespaceObject.join)(directory, distDirOf(info)),
        nextVersion: info.nextVersion,
        created: timeOf(info.created) ?? 0,
        built: timeOf(info.built ?? null),
        // The launcher may be newer than the release: what an older version did not write gets its default.
        runtime: parse(runtime, (0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8'), file),
    };
}
function distDirOf({ distDir, staticPath, entry }) {
    return distDir ?? (typeof staticPath === 'string' ? (0,external_node_path_namespaceObject.dirname)(staticPath) : (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(entry), '.next'));
}
function timeOf(text) {
    const time = Date.parse(text ?? '');
    return Number.isNaN(time) ? null : time;
}

;// CONCATENATED MODULE: ./build/worker/signals.js
/**
 * Holds back the app's own shutdown handlers until every request has finished.
 *
 * On SIGINT and SIGTERM Next.js closes idle connections at once, which resets clients that are about to use
 * them, and then runs its cleanup: `after()` work, instrumentation (14, 15, 16). Called at the end, the cleanup
 * still runs and nothing is reset.
 */

const HELD = ['SIGINT', 'SIGTERM'];
const isHeld = (event) => HELD.includes(event);
/**
 * Takes both signals at `process.emit`, through which Node.js delivers them (18 to 24). The app may add and remove
 * handlers in any way: none of them is called before `release`.
 */
function holdSignals() {
    let onSignal = () => undefined;
    const { emit, removeListener } = process;
    // Node.js stops listening to a signal that has no handler, and binds `emit` when the first one is added.
    const keep = () => undefined;
    const early = HELD.map((signal) => [signal, process.rawListeners(signal)]);
    for (const signal of HELD)
        process.removeAllListeners(signal);
    process.emit = function (event, ...args) {
        if (!isHeld(event))
            return Reflect.apply(emit, this, [event, ...args]);
        onSignal(event);
        return true;
    };
    // `removeAllListeners` ends here as well: Node.js itself listens to removals (18 to 24).
    process.off = process.removeListener = function (event, listener) {
        return listener === keep ? this : removeListener.call(this, event, listener);
    };
    for (const [signal, listeners] of early) {
        process.on(signal, keep);
        for (const listener of listeners)
            process.on(signal, listener);
    }
    return {
        onSignal(handler) {
            onSignal = handler;
        },
        release(signal) {
            const has = process.listeners(signal).some((listener) => listener !== keep);
            Reflect.apply(emit, process, [signal, signal, external_node_os_namespaceObject.constants.signals[signal]]);
            return has;
        },
    };
}

;// CONCATENATED MODULE: ./build/worker/shared-cache/entry-files.js
/**
 * The files in which Next.js keeps a cached entry, as the workers of a release share them. Next.js writes them in place,
 * one after the other (14.2, 15.5, 16.4): another worker would find half an entry, or the parts of two. Here all parts
 * are written aside and renamed, the main one last; that one's modification time is the entry's age, and with its inode
 * it tells one rendering from every other.
 */


/** @returns null where there is none, or none that can be looked at */
function markOf(path) {
    try {
        const stat = (0,external_node_fs_namespaceObject.statSync)(path, { throwIfNoEntry: false });
        return stat === undefined ? null : markIn(stat);
    }
    catch {
        return null;
    }
}
function markIn({ ino, mtimeMs, size }) {
    return { inode: ino, mtimeMs, size };
}
function isSame(a, b) {
    if (a === null || b === null)
        return a === b;
    return a.inode === b.inode && a.mtimeMs === b.mtimeMs && a.size === b.size;
}
/**
 * For one look at the files of an entry. Next.js reads a file and then asks for its time; here the time is the one from
 * before: an entry that is replaced meanwhile looks older than it is, never younger.
 *
 * @param timeOf the age of an entry, by its main file
 */
function readingFs(base, timeOf) {
    const seen = new Map();
    let main = null;
    /** Where 15.5 and 16.4 look first; where nothing is there yet they take what the build rendered. */
    let missing = null;
    let time = 0;
    const writeFile = (path, data) => writeIfMissing(path, data, time);
    const fs = {
        ...base,
        readFile(path, encoding) {
            const stat = (0,external_node_fs_namespaceObject.statSync)(path, { throwIfNoEntry: false });
            if (stat !== undefined)
                seen.set(path, stat);
            return base.readFile(path, encoding);
        },
        async stat(path) {
            const stat = seen.get(path) ?? (0,external_node_fs_namespaceObject.statSync)(path);
            main = { path, mark: markIn(stat) };
            time = timeOf(path, stat);
            return { mtime: new Date(time) };
        },
        existsSync(path) {
            const exists = base.existsSync(path);
            if (!exists)
                missing ??= { path, mark: null };
            return exists;
        },
        // Next.js 15.5 and 16.4 copy what the build rendered when it is first asked for; a newer rendering stays.
        writeFile,
        writeFileAtomic: writeFile,
    };
    return { fs, main: () => missing ?? main };
}
let entry_files_count = 0;
/** Short, because the name of the file itself may be as long as the file system allows. */
const aside = (path) => (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(path), `.${process.pid}.${(entry_files_count += 1)}.tmp`);
async function writeIfMissing(path, data, time) {
    const temporary = aside(path);
    try {
        await external_node_fs_namespaceObject.promises.writeFile(temporary, data);
        (0,external_node_fs_namespaceObject.utimesSync)(temporary, time / 1000, time / 1000);
        (0,external_node_fs_namespaceObject.linkSync)(temporary, path);
        return true;
    }
    catch (error) {
        if (error.code !== 'EEXIST')
            throw error;
        return false;
    }
    finally {
        (0,external_node_fs_namespaceObject.rmSync)(temporary, { force: true });
    }
}
/** For one entry that is written. */
function writingFs(base) {
    const written = [];
    const discard = () => {
        for (const { temporary } of written)
            (0,external_node_fs_namespaceObject.rmSync)(temporary, { force: true });
    };
    return {
        fs: {
            ...base,
            async writeFile(path, data) {
                const temporary = aside(path);
                written.push({ path, temporary });
                await external_node_fs_namespaceObject.promises.writeFile(temporary, data);
            },
        },
        publish(begun) {
            const main = written.find(({ path }) => /\.(html|body)$/.test(path)) ?? written[0];
            if (main === undefined)
                return null;
            const present = markOf(main.path);
            // One of the future comes from a clock that was set back meanwhile.
            const isLater = present !== null && present.mtimeMs >= begun + 1 && present.mtimeMs <= Date.now();
            if (isLater) {
                discard();
                return { path: main.path, mark: NONE };
            }
            // A part of a millisecond tells it from what has its inode next.
            const time = (begun + 0.1 + Math.random() * 0.8) / 1000;
            (0,external_node_fs_namespaceObject.utimesSync)(main.temporary, time, time);
            const mark = markOf(main.temporary) ?? NONE;
            for (const { path, temporary } of written)
                if (path !== main.path)
                    (0,external_node_fs_namespaceObject.renameSync)(temporary, path);
            (0,external_node_fs_namespaceObject.renameSync)(main.temporary, main.path);
            return { path: main.path, mark };
        },
        discard,
    };
}
/** Of no file. */
const NONE = { inode: 0, mtimeMs: 0, size: 0 };

;// CONCATENATED MODULE: ./build/worker/shared-cache/memory.js
/** Entries in memory: those that were wanted last, up to a size. */
class Memory {
    #largest;
    #entries = new Map();
    #size = 0;
    /** @param largest of all entries together, in bytes; 0: keeps none */
    constructor(largest) {
        this.#largest = largest;
    }
    get(key) {
        return this.#entries.get(key)?.entry;
    }
    /** Counts an entry as wanted now: the last of the map goes last. */
    touch(key) {
        const found = this.#entries.get(key);
        if (found === undefined)
            return;
        this.#entries.delete(key);
        this.#entries.set(key, found);
    }
    set(key, entry, size) {
        this.delete(key);
        if (size > this.#largest)
            return;
        this.#entries.set(key, { entry, size });
        this.#size += size;
        for (const [oldest, { size: freed }] of this.#entries) {
            if (this.#size <= this.#largest)
                break;
            this.#entries.delete(oldest);
            this.#size -= freed;
        }
    }
    delete(key) {
        const found = this.#entries.get(key);
        if (found === undefined)
            return;
        this.#entries.delete(key);
        this.#size -= found.size;
    }
}
/** About as Next.js reckons it (14 to 16): texts and buffers, wherever they are in the value. */
function sizeOf(value, depth = 4) {
    if (typeof value === 'string')
        return value.length;
    if (ArrayBuffer.isView(value))
        return value.byteLength;
    if (value === null || typeof value !== 'object' || depth === 0)
        return 8;
    const parts = value instanceof Map ? [...value].flat() : Object.entries(value).flat();
    return parts.reduce((sum, part) => sum + sizeOf(part, depth - 1), 8);
}

;// CONCATENATED MODULE: external "node:crypto"
const external_node_crypto_namespaceObject = require("node:crypto");
;// CONCATENATED MODULE: ./build/worker/shared-cache/revalidations.js
/**
 * What was revalidated, and when: the content of the file that all workers of an app share.
 *
 * Times are the server's, in ms. Whoever writes one takes it from `now()`, which never goes behind a time that is known
 * already: a clock that was set back must not bring a page back.
 */

const KIND = { revalidated: 1, floor: 2, closed: 3 };
const DAY = 24 * 60 * 60_000;
/** Longer names are kept as their hash. */
const LONGEST_NAME = 512;
/** Beyond it the oldest are forgotten, and everything that was made before they were revalidated counts as old. */
const MOST_NAMES = 20_000;
/** Of a line, without its name, in bytes. */
const LINE = 60;
const NEVER = { at: 0, stale: 0, until: 0 };
class Revalidations {
    #clock;
    #most;
    /** Those that were revalidated last come last. */
    #times = new Map();
    #floor = 0;
    #newest = 0;
    #bytes = 0;
    constructor(clock = Date.now, most = MOST_NAMES) {
        this.#clock = clock;
        this.#most = most;
    }
    /** The time for what happens now: not before anything that is known, also where the clock was set back by hours. */
    now() {
        const now = this.#clock();
        return this.#newest > now && this.#newest <= now + DAY ? this.#newest + 1 : now;
    }
    /** Whether a time is one that no clock that is right can have told yet. */
    isAhead(time) {
        return time > this.#clock() + DAY;
    }
    timesOf(tag) {
        const times = this.#times.get(nameOf(tag));
        if (this.#floor === 0)
            return times ?? NEVER;
        return { ...(times ?? NEVER), at: Math.max(this.#floor, times?.at ?? 0) };
    }
    apply(line) {
        if (line.kind === 'floor')
            this.#floor = Math.max(this.#floor, this.#past(line.at));
        else if (line.kind === 'revalidated')
            this.#revalidate(line.name, line.times);
    }
    /** The lines that tell all of it. */
    *lines() {
        if (this.#floor > 0)
            yield { kind: 'floor', at: this.#floor };
        for (const [name, times] of this.#times)
            yield { kind: 'revalidated', name, times };
    }
    /** How long these lines are, about, in bytes. */
    get bytes() {
        return this.#bytes;
    }
    #revalidate(name, { at, stale, until }) {
        const before = this.#times.get(name);
        const times = {
            at: Math.max(before?.at ?? 0, this.#past(at)),
            stale: Math.max(before?.stale ?? 0, this.#past(stale)),
            until: stale > 0 ? until : (before?.until ?? 0),
        };
        this.#newest = Math.max(this.#newest, times.at, times.stale);
        if (before === undefined)
            this.#bytes += Buffer.byteLength(name) + LINE;
        else
            this.#times.delete(name);
        this.#times.set(name, times);
        if (this.#times.size > this.#most)
            this.#forget();
    }
    /** A time a day ahead comes from a clock that was wrong; what it stands for has happened by now. */
    #past(time) {
        return this.isAhead(time) ? this.#clock() : time;
    }
    #forget() {
        let left = Math.ceil(this.#most / 4);
        for (const [name, { at, stale }] of this.#times) {
            if (left-- === 0)
                break;
            this.#floor = Math.max(this.#floor, at, stale);
            this.#times.delete(name);
            this.#bytes -= Buffer.byteLength(name) + LINE;
        }
    }
}
/** A page that was rendered because somebody asked for that (`res.revalidate`): it may have no tags. */
function pageTag(path) {
    return `\0${path}`;
}
function nameOf(tag) {
    return tag.length <= LONGEST_NAME ? tag : `\x01${(0,external_node_crypto_namespaceObject.createHash)('sha256').update(tag).digest('hex')}`;
}
function formatLine(line) {
    switch (line.kind) {
        case 'revalidated': {
            const { at, stale, until } = line.times;
            return JSON.stringify([KIND.revalidated, line.name, at, stale, until]);
        }
        case 'floor':
            return JSON.stringify([KIND.floor, line.at]);
        case 'closed':
            return JSON.stringify([KIND.closed]);
    }
}
/** @returns null for what is no line: the rest of one whose writer died, or one of a later version */
function parseLine(text) {
    let value;
    try {
        value = JSON.parse(text);
    }
    catch {
        return null;
    }
    if (!Array.isArray(value))
        return null;
    const [kind, ...rest] = value;
    if (kind === KIND.closed)
        return { kind: 'closed' };
    if (kind === KIND.floor)
        return isTime(rest[0]) ? { kind: 'floor', at: rest[0] } : null;
    const [name, at, stale, until] = rest;
    if (kind !== KIND.revalidated || typeof name !== 'string')
        return null;
    return isTime(at) && isTime(stale) && isTime(until)
        ? { kind: 'revalidated', name, times: { at, stale, until } }
        : null;
}
function isTime(value) {
    return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

;// CONCATENATED MODULE: ./build/worker/shared-cache/cache-handler.js




/** How often it is looked whether another worker has rendered an entry anew that is not old, in ms. */
const CHECK = 20;
/** A rendering that takes longer is not known by when it began, in ms. */
const LONGEST_RENDERING = 60_000;
const DATA = (0,external_node_path_namespaceObject.join)('/', 'cache', 'fetch-cache', '/');
const TAGS = 'x-next-cache-tags';
const REVALIDATE = 'x-prerender-revalidate';
/** @returns the class of which Next.js makes one for each request */
function createCacheHandler({ NextCache, revalidated, created, built, knowsStale, previewModeId, }) {
    const { known } = revalidated;
    let memory;
    /**
     * What the build rendered is as old as the build, whatever time the upload gave to its file. Data never come from the
     * build: an older release has written them where the app shares its `.next/cache`.
     */
    function timeOf(path, { mtimeMs }) {
        const isBuilt = mtimeMs <= created && !path.includes(DATA);
        return isBuilt && built !== null ? Math.min(built, created) : Math.floor(mtimeMs + 0.05);
    }
    /** What was revalidated since an entry was made makes it expired, or stale: to be shown once more. */
    function ageOf({ cached, tags, page }, context) {
        const { lastModified } = cached;
        if (known.isAhead(lastModified) || known.timesOf(page).at > lastModified)
            return 'expired';
        let age = 'fresh';
        const look = (all) => {
            for (const tag of all) {
                const { at, stale, until } = known.timesOf(tag);
                if (at >= lastModified)
                    return (age = 'expired');
                if (stale < lastModified)
                    continue;
                if (!knowsStale || (until > 0 && until <= Date.now()))
                    return (age = 'expired');
                age = 'stale';
            }
            return age;
        };
        if (tags !== null)
            return look(tags);
        if (context?.tags !== undefined && look(context.tags) === 'expired')
            return age;
        return context?.softTags === undefined ? age : look(context.softTags);
    }
    function isCurrent({ file, writing }) {
        return writing || file === null || isSame(markOf(file.path), file.mark);
    }
    return class SharedCacheHandler {
        #context;
        #memory;
        /** When this request asked for an entry. */
        #asked;
        constructor(context) {
            this.#context = context;
            this.#memory = memory ??= new Memory(context.maxMemoryCacheSize ?? 0);
        }
        async get(key, context) {
            revalidated.look();
            this.#begin(key);
            let entry = this.#memory.get(key);
            if (entry === undefined || !this.#mayUse(key, entry, context))
                entry = await this.#load(key, context);
            return entry === undefined || ageOf(entry, context) === 'expired' ? null : entry.cached;
        }
        /** Another worker may have rendered it since: at once where it is old, and now and then where it is not. */
        #mayUse(key, entry, context) {
            const now = performance.now();
            if (now - entry.checked < CHECK && ageOf(entry, context) === 'fresh')
                return true;
            entry.checked = now;
            this.#memory.touch(key);
            return isCurrent(entry);
        }
        async #load(key, context) {
            const { fs, main } = readingFs(this.#context.fs, timeOf);
            const cached = await this.#next(fs).get(key, context);
            const newer = this.#memory.get(key);
            if (newer?.writing === true)
                return newer;
            if (cached === null) {
                this.#memory.delete(key);
                return undefined;
            }
            const entry = newEntry(key, cached, main());
            this.#memory.set(key, entry, sizeOf(cached.value));
            return entry;
        }
        async set(key, value, context = {}) {
            const begun = this.#begunAt(key);
            const cached = { value, lastModified: begun, cacheControl: context['cacheControl'] };
            const entry = newEntry(key, cached, null);
            entry.writing = true;
            this.#memory.set(key, entry, sizeOf(value));
            const { fs, publish, discard } = writingFs(this.#context.fs);
            try {
                await this.#next(fs).set(key, value, context);
                entry.file = publish(begun);
            }
            catch (error) {
                discard();
                throw error;
            }
            finally {
                entry.writing = false;
                if (this.#isAskedFor())
                    revalidated.add(pageTag(pathOf(key)), { at: begun, stale: 0, until: 0 });
            }
        }
        async revalidateTag(tags, durations) {
            for (const tag of [tags].flat())
                revalidate(revalidated, tag, durations);
        }
        resetRequestCache() { }
        #begin(key) {
            const now = known.now();
            const asked = (this.#asked ??= new Map());
            const before = asked.get(key);
            if (before === undefined || now - before > LONGEST_RENDERING)
                asked.set(key, now);
        }
        /** When the rendering that has ended began: what was revalidated since is not in it. */
        #begunAt(key) {
            const now = known.now();
            const asked = this.#asked?.get(key) ?? now;
            this.#asked?.delete(key);
            return now - asked > LONGEST_RENDERING ? now : asked;
        }
        /** By `res.revalidate`: Next.js asks itself for the page. */
        #isAskedFor() {
            const id = this.#context._requestHeaders?.[REVALIDATE];
            return typeof id === 'string' && id === previewModeId();
        }
        #next(fs) {
            return new NextCache({ ...this.#context, fs, maxMemoryCacheSize: 0 });
        }
    };
}
function newEntry(key, cached, file) {
    const page = pageTag(pathOf(key));
    return { cached, tags: tagsOf(cached.value), page, file, writing: false, checked: performance.now() };
}
function tagsOf(value) {
    if (value?.kind === 'FETCH')
        return null;
    const tags = value?.headers?.[TAGS];
    return typeof tags === 'string' ? tags.split(',') : [];
}
/** Next.js 15.5 and 16.4 put the route before the path: `/route-cache/PAGES/<hash>/$/old`. */
function pathOf(key) {
    const marker = key.indexOf('/$/');
    return key.startsWith('/route-cache/') && marker >= 0 ? key.slice(marker + 2) : key;
}
/** @param durations of Next.js 16: what is old may be shown while it is made again, until `expire` seconds later */
function revalidate(revalidated, tag, durations) {
    revalidated.look();
    const now = revalidated.known.now();
    if (durations === undefined || durations.expire === 0)
        revalidated.add(tag, { at: now, stale: 0, until: 0 });
    else {
        const until = durations.expire === undefined ? 0 : now + durations.expire * 1000;
        revalidated.add(tag, { at: 0, stale: now, until });
    }
}

;// CONCATENATED MODULE: ./build/worker/shared-cache/next-cache.js
/**
 * The ways into the cache of Next.js. What was revalidated it keeps in the memory of one process, in another shape in
 * each version:
 *
 * - 14: in a variable of `file-system-cache.js`, which nobody else reaches; its class can be replaced.
 * - 15.0 to 15.2: in `items` of an object that `tags-manifest.external.js` exports.
 * - 15.3 to 15.5, 16: in a Map of that module; its values are times in 15, and objects in 16.
 *
 * From 15 on `globalThis[Symbol.for('@next/cache-handlers')].FetchCache` is the class of the cache of pages and data.
 * Only modules without side effects are loaded here: Next.js has not prepared the process yet.
 */


const FOLDER = 'next/dist/server/lib/incremental-cache';
const HANDLERS = Symbol.for('@next/cache-handlers');
/** As the cache of Next.js could not be shared. */
class UnknownNext extends Error {
}
/** Takes the cache over, before the release's server is loaded. @throws UnknownNext */
function takeOverCache(ways) {
    const require = (0,external_node_module_namespaceObject.createRequire)(ways.entry);
    const find = (name) => {
        try {
            return require.resolve(`${FOLDER}/${name}`);
        }
        catch {
            return null;
        }
    };
    const [cacheFile, tagsFile] = [find('file-system-cache.js'), find('tags-manifest.external.js')];
    if (cacheFile === null)
        throw new UnknownNext(`it has no ${FOLDER}/file-system-cache.js`);
    if (tagsFile === null) {
        const NextCache = classIn(require(cacheFile));
        const module = require.cache[cacheFile];
        if (module === undefined)
            throw new UnknownNext('its cache cannot be replaced');
        module.exports = { __esModule: true, default: handlerOf(NextCache, ways, false) };
        return;
    }
    const knowsStale = shareTags(require(tagsFile), ways.revalidated);
    let Handler;
    const load = () => {
        try {
            return handlerOf(classIn(require(cacheFile)), ways, knowsStale);
        }
        catch (error) {
            if (!(error instanceof UnknownNext))
                throw error;
            ways.onUnknown(error.message);
            return require(cacheFile).default;
        }
    };
    const handlers = globalThis;
    handlers[HANDLERS] = {
        ...handlers[HANDLERS],
        /** Loads its modules only when Next.js has loaded its own. */
        FetchCache: function (context) {
            Handler ??= load();
            return new Handler(context);
        },
    };
}
function handlerOf(NextCache, { revalidated, handler }, knowsStale) {
    return createCacheHandler({ ...handler, NextCache, revalidated, knowsStale });
}
function classIn(exports) {
    const found = exports?.default;
    const { get, set } = (found?.prototype ?? {});
    if (typeof found !== 'function' || typeof get !== 'function' || typeof set !== 'function')
        throw new UnknownNext('its cache has another shape');
    return found;
}
/** @returns whether this version shows what is stale once more */
function shareTags(exports, revalidated) {
    const { tagsManifest, areTagsStale, areTagsExpired, isStale } = exports;
    if (tagsManifest instanceof Map) {
        if (typeof areTagsStale === 'function' && typeof areTagsExpired === 'function') {
            shareMap(tagsManifest, revalidated, times16(revalidated), set16(revalidated));
            return true;
        }
        if (typeof isStale === 'function') {
            const add = (tag) => revalidate(revalidated, tag);
            shareMap(tagsManifest, revalidated, time15(revalidated), add);
            return false;
        }
    }
    const items = tagsManifest?.items;
    if (typeof items !== 'object' || items === null)
        throw new UnknownNext('its list of revalidated tags has another shape');
    tagsManifest.items = sharedItems(revalidated);
    return false;
}
function shareMap(map, revalidated, read, write) {
    map.get = (tag) => {
        revalidated.look();
        return read(tag);
    };
    // 15.3 to 15.5 keep the first time of a tag for ever where they find one.
    map.has = () => false;
    map.set = (tag, value) => {
        write(tag, value);
        return map;
    };
}
/** By how much this process's monotonic clock, which 16 asks, is ahead of the wall clock, which was set back; in ms. */
function ahead() {
    return Math.max(0, performance.timeOrigin + performance.now() - Date.now() - 1);
}
function times16({ known }) {
    return (tag) => {
        const { at, stale, until } = known.timesOf(tag);
        if (at === 0 && stale === 0)
            return undefined;
        const [shift, now] = [ahead(), performance.timeOrigin + performance.now()];
        const hasEnded = until > 0 && until <= now;
        // A time that lies ahead of its clock would be one at which the tag is still to expire.
        const expired = hasEnded ? Math.max(until, at) : at > 0 ? Math.min(at + shift, now) : until;
        return { ...(stale > 0 ? { stale: stale + shift } : {}), ...(expired > 0 ? { expired } : {}) };
    };
}
function set16(revalidated) {
    return (tag, { stale, expired }) => {
        revalidated.look();
        const now = performance.timeOrigin + performance.now();
        const isStale = stale !== undefined && stale > revalidated.known.timesOf(tag).stale + ahead();
        if (!isStale || (expired !== undefined && expired <= now))
            return revalidate(revalidated, tag);
        revalidate(revalidated, tag, expired === undefined ? {} : { expire: (expired - stale) / 1000 });
    };
}
function time15({ known }) {
    return (tag) => {
        const { at, stale } = known.timesOf(tag);
        const time = Math.max(at, stale);
        return time === 0 ? undefined : time + ahead();
    };
}
/** As 15.0 to 15.2 have them. */
function sharedItems(revalidated) {
    const read = time15(revalidated);
    return new Proxy({}, {
        get(_, tag) {
            if (typeof tag !== 'string')
                return undefined;
            revalidated.look();
            const revalidatedAt = read(tag);
            return revalidatedAt === undefined ? undefined : { revalidatedAt };
        },
        set(_, tag) {
            if (typeof tag === 'string')
                revalidate(revalidated, tag);
            return true;
        },
    });
}

;// CONCATENATED MODULE: ./build/worker/shared-cache/numbered-file.js
/**
 * Files of lines, `1`, `2`, … in one folder, of which the newest counts: everybody appends to it, and reads on from where
 * he stopped. Synchronous throughout: one line is one call to the kernel.
 */


/** Longer than every line: what follows is none. In bytes. */
const LONGEST_LINE = 8 * 1024;
const NEWLINE = 10;
const NOTHING = Buffer.alloc(0);
const READ_ONLY = new Set(['EROFS', 'EACCES', 'EPERM']);
const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = external_node_fs_namespaceObject.constants;
const buffer = Buffer.allocUnsafe(64 * 1024);
/** The newest file's number; null where there is none. */
function newestIn(folder) {
    const numbers = (0,external_node_fs_namespaceObject.readdirSync)(folder).flatMap((name) => (/^[1-9]\d{0,14}$/.test(name) ? [Number(name)] : []));
    return numbers.length === 0 ? null : Math.max(...numbers);
}
/**
 * Opens a file, and makes it where it is the first and may be written. Never follows a link.
 *
 * @returns null where it is gone: a later one is there
 * @throws what the system says, and where it is no file
 */
function openNumbered(folder, number, mayWrite) {
    const path = (0,external_node_path_namespaceObject.join)(folder, String(number));
    const flags = mayWrite ? O_RDWR | O_APPEND | (number === 1 ? O_CREAT : 0) : O_RDONLY;
    let fd;
    let refused = null;
    try {
        fd = (0,external_node_fs_namespaceObject.openSync)(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o600);
    }
    catch (error) {
        const { code = '' } = error;
        if (code === 'ENOENT')
            return null;
        if (!READ_ONLY.has(code))
            throw error;
        fd = (0,external_node_fs_namespaceObject.openSync)(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        refused = error;
    }
    const stat = (0,external_node_fs_namespaceObject.fstatSync)(fd);
    if (!stat.isFile()) {
        (0,external_node_fs_namespaceObject.closeSync)(fd);
        throw new Error(`"${path}" is not a file`);
    }
    return { fd, number, inode: stat.ino, offset: 0, rest: NOTHING, closed: false, refused };
}
/** Reads on to the end, or to what `isLast` says is the last line. */
function readLines(file, isLast) {
    while (!file.closed) {
        const length = (0,external_node_fs_namespaceObject.readSync)(file.fd, buffer, 0, buffer.length, file.offset);
        if (length === 0)
            return;
        file.offset += length;
        const text = Buffer.concat([file.rest, buffer.subarray(0, length)]);
        let begin = 0;
        for (let end; (end = text.indexOf(NEWLINE, begin)) >= 0; begin = end + 1) {
            if (end > begin && isLast(text.toString('utf8', begin, end))) {
                file.closed = true;
                return;
            }
        }
        file.rest = begin === text.length ? NOTHING : text.subarray(begin);
        // What has no end is no line; the next one begins with a new line.
        if (file.rest.length > LONGEST_LINE)
            file.rest = NOTHING;
        if (length < buffer.length)
            return;
    }
}
/** Adds lines in one write. @throws what the system says, also where not all of them found room */
function appendTo(file, lines) {
    assertWritable(file);
    // A writer that died may have left half a line.
    write(file.fd, `\n${lines.join('\n')}\n`);
}
/** @throws why nothing can be added */
function assertWritable({ refused }) {
    if (refused !== null)
        throw refused;
}
/** Whether it is still the file in its place. One that is closed may have been removed. */
function isInPlace(folder, { number, inode, offset, closed }) {
    const stat = (0,external_node_fs_namespaceObject.statSync)((0,external_node_path_namespaceObject.join)(folder, String(number)), { throwIfNoEntry: false });
    return stat === undefined ? closed : stat.ino === inode && stat.size >= offset;
}
/**
 * Writes the file that follows a closed one, unless somebody was faster, and removes what came before.
 *
 * @throws what the system says where it is not there afterwards
 */
function writeNext(folder, after, lines) {
    const temporary = numbered_file_aside(folder, after + 1);
    try {
        writeWhole(temporary, lines);
        (0,external_node_fs_namespaceObject.linkSync)(temporary, (0,external_node_path_namespaceObject.join)(folder, String(after + 1)));
    }
    catch (error) {
        if ((newestIn(folder) ?? 0) <= after)
            throw error;
    }
    finally {
        (0,external_node_fs_namespaceObject.rmSync)(temporary, { force: true });
    }
    // Those who died left theirs behind.
    for (const name of (0,external_node_fs_namespaceObject.readdirSync)(folder)) {
        const number = /^\.?(\d+)(\.\d+\.tmp)?$/.exec(name)?.[1];
        if (Number(number) <= after)
            (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(folder, name), { recursive: true, force: true });
    }
}
/** Whether there is room for a file that follows. */
function hasRoom(folder, after, lines) {
    const trial = numbered_file_aside(folder, after + 1);
    try {
        writeWhole(trial, lines);
        return true;
    }
    catch {
        return false;
    }
    finally {
        (0,external_node_fs_namespaceObject.rmSync)(trial, { force: true });
    }
}
function numbered_file_aside(folder, number) {
    return (0,external_node_path_namespaceObject.join)(folder, `.${number}.${process.pid}.tmp`);
}
function writeWhole(path, lines) {
    (0,external_node_fs_namespaceObject.rmSync)(path, { recursive: true, force: true });
    const fd = (0,external_node_fs_namespaceObject.openSync)(path, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    try {
        write(fd, `${lines.join('\n')}\n`);
        (0,external_node_fs_namespaceObject.fsyncSync)(fd);
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(fd);
    }
}
function write(fd, text) {
    const bytes = Buffer.from(text);
    if ((0,external_node_fs_namespaceObject.writeSync)(fd, bytes, 0, bytes.length, null) !== bytes.length)
        throw new Error('ENOSPC: no space left on device, write');
}

;// CONCATENATED MODULE: ./build/worker/shared-cache/revalidation-file.js
/**
 * The file in which the workers of an app tell each other what was revalidated: `<path>/.gapless/revalidated/<number>`.
 *
 * Where a file has become long somebody closes it with a last line; from then on it says the same for ever, so each of
 * the others can write the next one, with what of it still counts. One of them wins. Whoever wrote behind the last line
 * writes once more. So nobody waits for anybody, and whoever dies leaves nothing that the others could not go on from.
 */



const revalidation_file_LONGEST = 1024 * 1024;
/** How often it is looked whether the file is still the one in its place, in ms. */
const revalidation_file_CHECK = 1000;
/**
 * One answer asks for many tags, one after the other. Next.js takes longer than this from the arrival of a request to its
 * first look into the cache: what was known so long ago is what was known when the request came. In ms.
 */
const NO_TIME = 0.05;
function openRevalidationFile(folder, { mayWrite, onTrouble, known = new Revalidations(), longest = revalidation_file_LONGEST }) {
    let file = null;
    let looked = -Infinity;
    let checked = -Infinity;
    let trouble = null;
    /** Names that others do not know of yet. */
    const untold = new Set();
    function attempt(act) {
        let problem = null;
        try {
            act();
        }
        catch (error) {
            problem = error.message;
        }
        const isNews = (problem === null) !== (trouble === null);
        trouble = problem;
        if (isNews)
            onTrouble(problem);
    }
    /** @returns whether it is the last of its file */
    function apply(text) {
        const line = parseLine(text);
        if (line !== null && line.kind !== 'closed')
            known.apply(line);
        return line?.kind === 'closed';
    }
    /** Reads the newest file on, and goes on to the next one where it is closed. */
    function readOn() {
        file ??= openNewest();
        while (file !== null) {
            readLines(file, apply);
            if (!file.closed)
                return;
            const next = nextOf(file);
            if (next === null)
                return;
            (0,external_node_fs_namespaceObject.closeSync)(file.fd);
            file = next;
        }
    }
    function openNewest() {
        if (mayWrite)
            (0,external_node_fs_namespaceObject.mkdirSync)(folder, { recursive: true, mode: 0o700 });
        const stat = (0,external_node_fs_namespaceObject.lstatSync)(folder, { throwIfNoEntry: false });
        if (stat === undefined && !mayWrite)
            return null;
        if (stat?.isDirectory() !== true)
            throw new Error(`"${folder}" is not a folder`);
        for (;;) {
            const number = newestIn(folder);
            if (number === null && !mayWrite)
                return null;
            const opened = openNumbered(folder, number ?? 1, mayWrite);
            // Meanwhile the others may have gone on from a first file.
            if (opened !== null && newestIn(folder) === opened.number)
                return opened;
            if (opened !== null)
                (0,external_node_fs_namespaceObject.closeSync)(opened.fd);
        }
    }
    /** The file that goes on from a closed one; null where a candidate finds none yet. */
    function nextOf({ number: closed }) {
        for (;;) {
            const number = newestIn(folder);
            if (number !== null && number > closed) {
                const opened = openNumbered(folder, number, mayWrite);
                if (opened !== null)
                    return opened;
            }
            else if (!mayWrite)
                return null;
            else
                writeNext(folder, closed, everything());
        }
    }
    const everything = () => [...known.lines()].map(formatLine);
    function append(lines) {
        file ??= openNewest();
        for (;;) {
            if (file === null)
                throw new Error(`"${folder}" cannot be opened`);
            const { number } = file;
            appendTo(file, lines.map(formatLine));
            readOn();
            // Behind a last line nobody reads.
            if (file.number === number && !file.closed)
                return;
        }
    }
    function closeIfLong() {
        if (file === null || file.offset <= Math.max(longest, 3 * known.bytes))
            return;
        // Where there is no room for the next one, this one stays open.
        if (!hasRoom(folder, file.number, everything()))
            return;
        appendTo(file, [formatLine({ kind: 'closed' })]);
        readOn();
    }
    function tellUntold() {
        if (untold.size === 0)
            return;
        append([...untold].map((name) => ({ kind: 'revalidated', name, times: known.timesOf(name) })));
        untold.clear();
    }
    /** Somebody may have removed the file, emptied it or put another into its place. */
    function replaceLost() {
        if (file === null || isInPlace(folder, file))
            return;
        // It may have been closed, and the next one go on.
        readOn();
        if (isInPlace(folder, file))
            return;
        (0,external_node_fs_namespaceObject.closeSync)(file.fd);
        file = null;
        readOn();
        if (mayWrite)
            append([...known.lines()]);
    }
    /** What could only be read may be writable by now. */
    function forgetRefused() {
        if (file === null || file.refused === null)
            return;
        (0,external_node_fs_namespaceObject.closeSync)(file.fd);
        file = null;
    }
    function readQuietly() {
        if (file === null || file.closed)
            return;
        try {
            readLines(file, apply);
        }
        catch {
            // It is said already that something is wrong with it.
        }
    }
    function check() {
        forgetRefused();
        readOn();
        replaceLost();
        if (!mayWrite)
            return;
        tellUntold();
        if (file !== null)
            assertWritable(file);
    }
    return {
        known,
        look() {
            const now = performance.now();
            if (now - looked < NO_TIME)
                return;
            looked = now;
            if (now - checked >= revalidation_file_CHECK) {
                checked = now;
                attempt(check);
            }
            // What could not be opened or written is tried again with the next check.
            else if (trouble !== null)
                readQuietly();
            else
                attempt(readOn);
        },
        add(tag, times) {
            const name = nameOf(tag);
            known.apply({ kind: 'revalidated', name, times });
            if (!mayWrite)
                return;
            untold.add(name);
            attempt(() => {
                replaceLost();
                tellUntold();
                closeIfLong();
            });
        },
    };
}

;// CONCATENATED MODULE: ./build/worker/shared-cache/index.js
/** `share-cache`: all workers of an app on a host know what one of them revalidated. */




/**
 * Makes the release's cache one with that of the other workers, before the release's server is loaded. It never fails:
 * whatever it meets, the app works as it would alone.
 *
 * @param tell told how it stands, now and whenever that changes
 */
function shareCache(release, candidate, tell) {
    const alone = (why, toLog = true) => {
        tell({ shared: false, why });
        if (toLog)
            console.error(`gapless: this worker keeps its cache to itself: ${why}`);
    };
    if (!release.runtime.shareCache)
        return alone('`share-cache` is off', false);
    const own = ownHandler(release);
    if (own !== null)
        return alone(`the app sets \`${own}\``);
    const revalidated = openRevalidationFile((0,external_node_path_namespaceObject.join)(release.appDirectory, '.gapless', 'revalidated'), {
        mayWrite: !candidate,
        onTrouble(problem) {
            if (problem !== null)
                return alone(`what was revalidated cannot be shared (${problem})`);
            tell({ shared: true, why: '' });
            console.error('gapless: this worker shares its cache again');
        },
    });
    try {
        takeOverCache({
            entry: release.entry,
            revalidated,
            handler: { created: release.created, built: release.built, previewModeId: previewModeIdOf(release) },
            onUnknown: (why) => alone(unknown(release, why)),
        });
        tell({ shared: true, why: '' });
        revalidated.look();
    }
    catch (error) {
        alone(unknown(release, error instanceof UnknownNext ? error.message : String(error)));
    }
}
function unknown({ nextVersion }, why) {
    return `${`Next.js ${nextVersion}`.trim()} keeps its cache in an unknown way: ${why}`;
}
/** The setting with which the app brings a cache handler of its own, or null. */
function ownHandler({ distDirectory }) {
    const { config = {} } = shared_cache_readJson((0,external_node_path_namespaceObject.join)(distDirectory, 'required-server-files.json')) ?? {};
    const { cacheHandler, cacheHandlers, experimental = {} } = config;
    if (typeof cacheHandler === 'string')
        return 'cacheHandler';
    if (typeof experimental.incrementalCacheHandlerPath === 'string')
        return 'experimental.incrementalCacheHandlerPath';
    // 16 lists its own names there, without a path.
    const named = [cacheHandlers, experimental.cacheHandlers].some((handlers) => Object.values(handlers ?? {}).some((path) => typeof path === 'string'));
    return named ? 'cacheHandlers' : null;
}
function previewModeIdOf({ distDirectory }) {
    let id;
    return () => (id ??=
        shared_cache_readJson((0,external_node_path_namespaceObject.join)(distDirectory, 'prerender-manifest.json'))
            ?.preview?.previewModeId ?? null);
}
function shared_cache_readJson(file) {
    try {
        return JSON.parse((0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8'));
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: external "node:dgram"
const external_node_dgram_namespaceObject = require("node:dgram");
var external_node_dgram_default = /*#__PURE__*/__nccwpck_require__.n(external_node_dgram_namespaceObject);
;// CONCATENATED MODULE: ./build/worker/taken-ports.js
/**
 * Free ports in place of those that are taken. A candidate runs beside the release that serves, and an app that opens
 * a second fixed port, for metrics or WebSockets, finds its own workers there. The workers share it through PM2.
 */



/** From here on, `listen` and `bind` on a port that is taken get a free one. */
function moveTakenPorts(onMove) {
    const replace = (prototype, name, protocol) => {
        const methods = prototype;
        const original = methods[name];
        methods[name] = function (...args) {
            const { port } = requestedAddress(args);
            if (port > 0) {
                insteadOfTaken(this, () => {
                    this.once('listening', () => onMove({ port, protocol, address: this.address() }));
                    original.apply(this, withoutPort(args));
                });
            }
            return Reflect.apply(original, this, args);
        };
    };
    replace((external_node_net_default()).Server.prototype, 'listen', 'tcp');
    replace((external_node_dgram_default()).Socket.prototype, 'bind', 'udp');
}
/** Without the callback, too: it waits for `listening` already. */
function withoutPort([first, ...rest]) {
    if (typeof first === 'object')
        return [{ ...first, port: 0 }];
    return [0, ...rest.filter((argument) => typeof argument !== 'function')];
}
/** Acts in place of the `error` that says that the port is taken, before the app hears of it. */
function insteadOfTaken(emitter, act) {
    const { emit } = emitter;
    emitter.emit = function (event, ...args) {
        if (event !== 'error' && event !== 'listening')
            return Reflect.apply(emit, this, [event, ...args]);
        emitter.emit = emit;
        if (args[0]?.code !== 'EADDRINUSE')
            return this.emit(event, ...args);
        act();
        return true;
    };
}

;// CONCATENATED MODULE: external "node:perf_hooks"
const external_node_perf_hooks_namespaceObject = require("node:perf_hooks");
;// CONCATENATED MODULE: ./build/worker/traffic.js




/** Between two reports, in ms. */
const traffic_PAUSE = 1000;
/** Paths that are told apart, and how much of each is kept. */
const MOST_PATHS = 100;
const LONGEST_PATH = 200;
const OTHER_PATHS = 'other paths';
/** Between two moments that are remembered, at the least, in ms. */
const APART = 5000;
/** Of the event loop's clock, in ms. */
const RESOLUTION = 50;
/** @param publish told of the counts when they have changed, at most once a second */
function countTraffic(publish) {
    const answers = [0, 0, 0, 0, 0];
    const times = [];
    const failing = new Map();
    const loop = (0,external_node_perf_hooks_namespaceObject.monitorEventLoopDelay)({ resolution: RESOLUTION });
    let [aborted, errors, inProgress, slowestMs] = [0, 0, 0, 0];
    let past = [];
    let leaving = false;
    let report;
    const failedAt = (path) => {
        const key = failing.has(path) || failing.size < MOST_PATHS ? path : OTHER_PATHS;
        failing.set(key, (failing.get(key) ?? 0) + 1);
    };
    const current = () => ({
        answers,
        aborted,
        errors,
        inProgress,
        slowestMs: Math.round(slowestMs),
        times,
        // The clock itself waits for its resolution.
        loopDelayMs: Math.max(0, Math.round(loop.max / 1e6) - RESOLUTION),
        memoryBytes: process.memoryUsage.rss(),
        failing: Object.fromEntries(failing),
        past,
    });
    const changed = () => {
        report ??= setTimeout(() => {
            report = undefined;
            const now = current();
            past = remembering(past, now, since_boot_sinceBoot());
            publish({ ...now, past });
            loop.reset();
        }, traffic_PAUSE).unref();
    };
    loop.enable();
    // It changes nothing about what becomes of them.
    process.on('uncaughtExceptionMonitor', () => {
        errors += 1;
        changed();
    });
    return {
        count(request, response) {
            const { socket, url = '' } = request;
            if (request.headers['user-agent'] === HEALTH_CHECK_AGENT)
                return undefined;
            const begun = performance.now();
            inProgress += 1;
            changed();
            return () => {
                inProgress -= 1;
                changed();
                const isWhole = response.writableFinished;
                if (!isWhole && (leaving || endedByClient(socket)))
                    return;
                const took = performance.now() - begun;
                slowestMs = Math.max(slowestMs, took);
                const bucket = bucketOf(took);
                while (times.length <= bucket)
                    times.push(0);
                times[bucket] += 1;
                const digit = Math.floor(response.statusCode / 100);
                if (!isWhole)
                    aborted += 1;
                else
                    answers[digit - 1] = (answers[digit - 1] ?? 0) + 1;
                if (!isWhole || digit === 5)
                    failedAt(traffic_pathOf(url));
            };
        },
        leave: () => void (leaving = true),
    };
}
/**
 * Whether the client ended a connection in the middle. Its end arrives as the end of what it sends, or as a reset; where
 * the app or Node closes it there is neither (18 to 24).
 */
function endedByClient(socket) {
    const { code = '' } = (socket.errored ?? {});
    return socket.readableEnded || CLIENTS_END.has(code);
}
const CLIENTS_END = new Set([
    'ECONNRESET',
    'EPIPE',
    'ECONNABORTED',
    'ETIMEDOUT',
    'ERR_HTTP_REQUEST_TIMEOUT',
]);
function traffic_pathOf(url) {
    return url.split('?', 1)[0].slice(0, LONGEST_PATH);
}
/** Adds a moment. Of any age about one is kept for each doubling, so that they stay few however long the worker lives. */
function remembering(past, now, at) {
    const last = past.at(-1);
    if (last !== undefined && at - last.at < APART)
        return past;
    const all = [...past, { at, answered: traffic_answeredBy(now), failed: traffic_failedBy(now) }];
    for (let index = all.length - 2; index > 0; index -= 1) {
        const [older, younger] = [all[index - 1], all[index + 1]];
        if (at - older.at <= 2 * (at - younger.at))
            all.splice(index, 1);
    }
    return all;
}

;// CONCATENATED MODULE: ./build/worker/main.js
var __rewriteRelativeImportExtension = (undefined && undefined.__rewriteRelativeImportExtension) || function (path, preserveJsx) {
    if (typeof path === "string" && /^\.\.?\//.test(path)) {
        return path.replace(/\.(tsx)$|((?:\.d)?)((?:\.[^./]+?)?)\.([cm]?)ts$/i, function (m, tsx, d, ext, cm) {
            return tsx ? preserveJsx ? ".jsx" : ".js" : d && (!ext || !cm) ? m : (d + ext + "." + cm.toLowerCase() + "js");
        });
    }
    return path;
};
/**
 * The launcher: what PM2 starts. It lives in the release, loads the release's own environment, starts the
 * release's server on a private port, and opens the public one only when the release has proved itself.
 *
 *   node launcher.cjs --candidate    the same on a spare port, to check a release before it goes live
 */


























/** How long the app's own signal handlers may take after the last request, at the least, in milliseconds. */
const CLEANUP_TIMEOUT = 5000;
/**
 * A worker that PM2 starts anew must not stay away from a site whose health check fails for another reason, such as
 * a database that is down: a release that went live before opens on any answer after this time, in milliseconds.
 */
const INSIST = 5000;
async function launch(launcherFile, candidate) {
    if (!external_node_worker_threads_namespaceObject.isMainThread) {
        applyToThread();
        return leadThread(launcherFile);
    }
    const release = readRelease((0,external_node_path_namespaceObject.dirname)(launcherFile));
    const { runtime } = release;
    const { host, port: publicPort, socket } = runtime;
    const address = { host, port: publicPort, socket };
    const flags = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/)];
    applyEnvironment(process.env, runtime);
    applyLateVariables(runtime.env, (0,external_node_path_namespaceObject.dirname)(release.entry), flags);
    if (socket !== null)
        behaveAsPreview();
    // A candidate ends with the agent that started it.
    if (candidate) {
        becomeLikeWorker(release.directory);
        process.once('disconnect', () => process.exit(1));
        process.channel?.unref();
    }
    const records = (0,external_node_path_namespaceObject.join)(release.appDirectory, '.gapless', 'workers');
    const record = keepRecord(records, release.id, candidate);
    const signals = holdSignals();
    const counter = countTraffic((traffic) => record.update({ traffic }));
    let door;
    let share;
    let leaving = false;
    let draining = false;
    const leave = async (signal) => {
        if (leaving)
            return;
        leaving = true;
        if (door && !candidate)
            await otherReleaseSettled(release, record);
        draining = true;
        counter.leave();
        record.update({ phase: 'draining' });
        // A socket from which nobody accepts would let visitors wait.
        share?.socket?.close();
        // Nobody but the agent and a test ever came through a candidate's door.
        const drainTimeout = candidate ? 0 : runtime.drainTimeoutMs;
        const deadline = performance.now() + drainTimeout;
        if (!candidate)
            await door?.drain(drainTimeout);
        // Next.js finishes `after()` work in its handler (15.5, 16.4), and then exits. A handler may also throw.
        setTimeout(() => process.exit(0), Math.max(CLEANUP_TIMEOUT, deadline - performance.now())).unref();
        if (!signals.release(signal))
            process.exit(0);
    };
    signals.onSignal((signal) => void leave(signal));
    const activation = readActivation(release.appDirectory);
    if (activation?.halt === true && !candidate) {
        record.update({ phase: 'halted' });
        // Without a server nothing else need keep the process until its signal comes.
        setInterval(() => undefined, 2 ** 30);
        process.send?.('ready');
        return;
    }
    const onTrial = candidate || activation?.target === release.id;
    const ownPorts = leadToOwnPorts(launcherFile);
    // A preview must not share a second port with the app that it previews either.
    if (candidate || socket !== null)
        followMovedPorts(publicPort, ownPorts, record);
    const captured = capturePublicServer(publicPort, ownPorts);
    const others = otherReleases(release);
    shareCache(release, candidate, (cache) => record.update({ cache }));
    await load(release.entry);
    const { server, port } = await captured;
    record.update({ phase: 'proving', port });
    others.attach(server);
    const headers = socket === null ? {} : NOINDEX;
    const frontDoor = createFrontDoor(server, { headers, onRequest: counter.count });
    await proveHealthy({
        port,
        check: runtime.health,
        observeMs: onTrial && !candidate && activation?.observe === true ? runtime.observeMs : 0,
        insistMs: onTrial ? Infinity : INSIST,
        onAnswer: ({ detail, excerpt }) => record.update({ detail, excerpt }),
    });
    if (leaving)
        return;
    door = frontDoor;
    let doorPort;
    if (candidate) {
        doorPort = (await door.open((front) => front.listen(0, '127.0.0.1'))).port;
    }
    else {
        const { appDirectory } = release;
        const isDraining = () => draining;
        share = openShare(records, isDraining);
        doorPort = await openPublic(door, address, records, share);
        if (draining)
            return share.socket?.close();
        const drain = () => void leave('SIGINT');
        outliveDaemon({ door, address, appDirectory, records, record, share, isDraining, leave: drain });
    }
    record.update({ phase: 'open', doorPort });
    process.send?.('ready');
}
async function openPublic(door, address, records, share) {
    const { host, port, socket } = address;
    try {
        if (!socket)
            return await openPublicPort(door, address, records, share);
        await openPublicSocket(door, socket, records, share);
        return port;
    }
    catch (error) {
        console.error(`gapless: cannot listen on ${socket ?? `${host}:${port}`}: ${error.message}`);
        process.exit(1);
    }
}
function followMovedPorts(publicPort, ownPorts, record) {
    const movedPorts = new Set();
    moveTakenPorts(({ port, protocol, address }) => {
        // A second server on it would stand in the way of the first.
        if (port === publicPort)
            return;
        record.update({ movedPorts: [...movedPorts.add(port)] });
        const isReachable = ['127.0.0.1', '0.0.0.0', '::'].includes(address.address);
        if (protocol === 'tcp' && isReachable)
            ownPorts.lead(port, address.port);
    });
}
const main_TICK = 50;
/**
 * PM2 tells an old worker to leave as soon as the new one has opened its door. The old one goes on serving until the
 * activation has its verdict: should the new release fail after all, nobody notices. It says how long it can: PM2
 * kills what is late (`kill_timeout`).
 */
async function otherReleaseSettled({ id, appDirectory }, record) {
    const told = since_boot_sinceBoot();
    // Without an activation there is nothing to wait for. One that dies from here on may be taken up.
    let activation = readActivation(appDirectory);
    while (activation !== null && activation.target !== id && since_boot_sinceBoot() - told < activation.stay) {
        record.update({ leavesAt: told + activation.stay });
        await (0,promises_namespaceObject.setTimeout)(main_TICK);
        activation = lastActivation(appDirectory);
    }
}
/** server.js is CommonJS, or ESM in a package of `"type": "module"`; `import()` loads both. */
async function load(entry) {
    process.argv.splice(1, process.argv.length, entry);
    try {
        (0,external_node_module_namespaceObject.createRequire)(entry)(entry);
    }
    catch (error) {
        const { code } = error;
        if (code !== 'ERR_REQUIRE_ESM' && code !== 'ERR_REQUIRE_ASYNC_MODULE')
            throw error;
        await import(__rewriteRelativeImportExtension(/* webpackIgnore: true */ (0,external_node_url_namespaceObject.pathToFileURL)(entry).href));
    }
}

;// CONCATENATED MODULE: ./build/worker/index.js

launch(__filename, process.argv.includes('--candidate')).catch((error) => {
    console.error(error);
    process.exit(1);
});

module.exports = __webpack_exports__;
/******/ })()
;