'use strict';
const { spawnSync } = require('child_process');
const { accessSync, closeSync, constants, existsSync, openSync, readSync } = require('fs');
const { join } = require('path');

function fail(what, next) {
  process.stderr.write(`bakstop: not started: ${what}\n  ${next}\n`);
  process.exit(2);
}

const platform = `${process.platform}-${process.arch}`;
const name = `bakstop-${platform}`;
const released = '@PLATFORMS@'.split(' ');

function program() {
  const inside = join(__dirname, '..', 'native', platform, 'bakstop');
  // Plug'n'Play answers `resolve` as well.
  const path = existsSync(inside) ? inside : require.resolve(`${name}/bin/bakstop`);
  accessSync(path, constants.X_OK);
  // Started, an empty file is a script that succeeds, and so is one of zeros, which a crash of the
  // system can leave.
  const file = openSync(path, 'r');
  const start = Buffer.alloc(4);
  readSync(file, start, 0, start.length, 0);
  closeSync(file);
  if (start.every((byte) => byte === 0)) throw new Error('empty');
  return path;
}

if (process.platform === 'win32') {
  fail('there is no bakstop for Windows', 'Use it in WSL, where it is a program for Linux.');
}
if (!released.includes(platform)) {
  fail(
    `bakstop @VERSION@ was released without ${platform}`,
    `It was released for ${released.join(' ')}`,
  );
}
let found;
try {
  found = program();
} catch {
  fail(
    `${name} @VERSION@, the package with the program for this machine, is not installed`,
    'Install with optional dependencies, and with a lockfile that has this platform.',
  );
}
// A signal from the terminal reaches both; the program decides how to end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
const { status, signal, error } = spawnSync(found, process.argv.slice(2), { stdio: 'inherit' });
if (error) fail(error.message, 'Install bakstop again.');
if (signal) {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
process.exitCode = status === null ? 2 : status;
