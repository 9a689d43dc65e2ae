#!/usr/bin/env bash
# Makes shop/ (a workspace that is built into images) and ui/ (a sibling repository with packages
# that it uses) in a directory. pnpm 10 must be in PATH. Nothing is fetched: there are no other
# packages.
set -euo pipefail
cd "$1"
export GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.com
export GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.com

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
cat >packages/tokens/package.json <<'JSON'
{
  "name": "@acme/tokens",
  "version": "1.4.0",
  "main": "index.js"
}
JSON
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
# Indented with tabs, which JSON.stringify replaces.
cat >package.json <<JSON
{
	"name": "shop",
	"private": true,
	"packageManager": "pnpm@$(pnpm --version)"
}
JSON
for package in backend web; do
	cat >"$package/package.json" <<JSON
{
	"name": "$package",
	"private": true,
	"dependencies": {
		"@acme/ui": "^1.4.0"
	}
}
JSON
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
# Packs the packages of the sibling into .docker-deps and rewrites every manifest to use them;
# --restore restores the manifests.
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
	if [ "${1-}" != --force ] && [ -e "$manifest.bak" ]; then
		echo "already prepared: --restore first" >&2
		exit 1
	fi
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
const tarball = ({ name, version }) => `${name.slice(1).replace("/", "-")}-${version}.tgz`;
const packed = siblings.map(read).map((manifest) => [manifest.name, tarball(manifest)]);
const members = fs.readdirSync(".").map((directory) => path.join(directory, "package.json"));
const manifests = ["package.json", ...members.filter(fs.existsSync)];
for (const file of manifests) {
	const manifest = read(file), up = path.dirname(file) === "." ? "./" : "../";
	const specs = packed.map(([name, tarball]) => [name, `file:${up}${deps}/${tarball}`]);
	for (const kind of ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"])
		for (const [name, spec] of specs) if (manifest[kind]?.[name]) manifest[kind][name] = spec;
	const overrides = { ...manifest.pnpm?.overrides, ...Object.fromEntries(specs) };
	manifest.pnpm = { ...manifest.pnpm, overrides };
	fs.writeFileSync(file, JSON.stringify(manifest, null, 2));
}
NODE
SCRIPT
chmod +x scripts/docker-prep.sh
integrity() {
	(cd "../ui/packages/$1" && pnpm pack --pack-destination "$2" >/dev/null)
	printf 'sha512-'
	node -p '
		const tarball = require("fs").readFileSync(process.argv[1]);
		require("crypto").createHash("sha512").update(tarball).digest("base64")
	' "$2/acme-$1-1.4.0.tgz"
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
