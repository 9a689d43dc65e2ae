#!/usr/bin/env bash
# Makes shop/ (a workspace that is built into images) and ui/ (the sibling repository whose packages it takes) in a directory.
# pnpm 10 must be on PATH. Nothing is fetched: there is no package besides these.
set -euo pipefail
cd "$1"
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.com GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.com

repository() {
	git -C "$1" init -q -b main
	git -C "$1" add -A
	git -C "$1" commit -qm start
}

mkdir -p ui/packages/{tokens,ui} shop/{backend,web,scripts,.docker-deps}

cd ui
printf 'node_modules\n' >.gitignore
printf 'packages:\n  - packages/*\n' >pnpm-workspace.yaml
printf '{\n  "name": "acme-ui-workspace",\n  "private": true\n}\n' >package.json
printf '{\n  "name": "@acme/tokens",\n  "version": "1.4.0",\n  "main": "index.js"\n}\n' >packages/tokens/package.json
printf 'module.exports = { red: "#f00" };\n' >packages/tokens/index.js
cat >packages/ui/package.json <<'JSON'
{
  "name": "@acme/ui",
  "version": "1.4.0",
  "main": "index.js",
  "dependencies": { "@acme/tokens": "workspace:^" }
}
JSON
printf 'module.exports = { button: require("@acme/tokens").red };\n' >packages/ui/index.js
pnpm install --offline --silent
cd ..
repository ui

cd shop
printf 'node_modules\n*.bak\n.docker-deps/*\n!.docker-deps/.gitkeep\n' >.gitignore
: >.docker-deps/.gitkeep
printf 'packages:\n  - backend\n  - web\n' >pnpm-workspace.yaml
# Tabs, which JSON.stringify loses.
printf '{\n\t"name": "shop",\n\t"private": true,\n\t"packageManager": "pnpm@%s"\n}\n' "$(pnpm --version)" >package.json
for package in backend web; do
	printf '{\n\t"name": "%s",\n\t"private": true,\n\t"dependencies": {\n\t\t"@acme/ui": "^1.4.0"\n\t}\n}\n' \
		"$package" >"$package/package.json"
	printf 'console.log("%s", require("@acme/ui").button);\n' "$package" >"$package/index.js"
	cat >"$package/Dockerfile" <<DOCKERFILE
FROM localhost/base:1
WORKDIR /app/$package
COPY .docker-deps/ /app/.docker-deps/
COPY $package/package.json ./
ARG DELAY=0
RUN sleep \$DELAY
RUN pnpm install --offline --ignore-workspace --prod
COPY $package/ ./
ARG CHECK=#f00
RUN node -e 'if (require("@acme/ui").button !== process.argv[1]) process.exit(3)' "\$CHECK"
CMD ["node", "index.js"]
DOCKERFILE
done
# What compose takes the backend and web from.
cat >compose.yaml <<'YAML'
services:
  backend:
    image: shop-backend
    build: { context: ., dockerfile: backend/Dockerfile, network: host }
  web:
    image: shop-web
    build: { context: ., dockerfile: web/Dockerfile, network: host }
YAML
printf '.git\n**/node_modules\n**/*.bak\n' >.dockerignore
cat >scripts/docker-prep.sh <<'SCRIPT'
#!/bin/sh
# Packs the sibling's packages into .docker-deps and points every manifest at them; --restore puts the manifests back.
set -eu
cd "$(dirname "$0")/.."
sibling=${ACME_UI:-../ui}
deps=.docker-deps
if [ "${1-}" = --restore ]; then
	for backup in package.json.bak */package.json.bak; do
		[ ! -f "$backup" ] || mv "$backup" "${backup%.bak}"
	done
	rm -f "$deps"/*.tgz
	exit
fi
for manifest in package.json */package.json; do
	[ "${1-}" = --force ] || [ ! -e "$manifest.bak" ] || { echo "already prepared: --restore first" >&2; exit 1; }
done
mkdir -p "$deps"
for package in "$sibling"/packages/*; do
	(destination=$PWD/$deps; cd "$package"; pnpm pack --pack-destination "$destination" >/dev/null)
done
for manifest in package.json */package.json; do
	cp "$manifest" "$manifest.bak"
done
node - "$deps" "$sibling"/packages/*/package.json <<'NODE'
const fs = require("fs"), path = require("path");
const [deps, ...siblings] = process.argv.slice(2);
const read = (file) => JSON.parse(fs.readFileSync(file, "utf8"));
const packed = siblings.map(read).map(({ name, version }) => [name, `${name.slice(1).replace("/", "-")}-${version}.tgz`]);
const manifests = ["package.json"].concat(fs.readdirSync(".").map((d) => path.join(d, "package.json")).filter(fs.existsSync));
for (const file of manifests) {
	const manifest = read(file), up = path.dirname(file) === "." ? "./" : "../";
	const specs = packed.map(([name, tarball]) => [name, `file:${up}${deps}/${tarball}`]);
	for (const kind of ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"])
		for (const [name, spec] of specs) if (manifest[kind]?.[name]) manifest[kind][name] = spec;
	manifest.pnpm = { ...manifest.pnpm, overrides: { ...manifest.pnpm?.overrides, ...Object.fromEntries(specs) } };
	fs.writeFileSync(file, JSON.stringify(manifest, null, 2));
}
NODE
SCRIPT
chmod +x scripts/docker-prep.sh
integrity() {
	(cd "../ui/packages/$1" && pnpm pack --pack-destination "$2" >/dev/null)
	printf 'sha512-'
	node -p 'require("crypto").createHash("sha512").update(require("fs").readFileSync(process.argv[1])).digest("base64")' "$2/acme-$1-1.4.0.tgz"
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The lockfile that an install from a registry writes.
cat >pnpm-lock.yaml <<YAML
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .: {}

  backend:
    dependencies:
      '@acme/ui':
        specifier: ^1.4.0
        version: 1.4.0

  web:
    dependencies:
      '@acme/ui':
        specifier: ^1.4.0
        version: 1.4.0

packages:

  '@acme/tokens@1.4.0':
    resolution: {integrity: $(integrity tokens "$scratch")}

  '@acme/ui@1.4.0':
    resolution: {integrity: $(integrity ui "$scratch")}

snapshots:

  '@acme/tokens@1.4.0': {}

  '@acme/ui@1.4.0':
    dependencies:
      '@acme/tokens': 1.4.0
YAML
cd ..
repository shop
