/** A preview's name is also a folder, a part of PM2's name and a label of a host name. */
export const PREVIEW_NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/
