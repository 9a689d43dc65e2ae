# shellcheck shell=sh disable=SC2154 # its variables are run.sh's
#
# Feeds every proper beginning of install.sh to a shell, among tools that leave a mark when run.
# Four checks: the marks, the trace of the shell (-x shows built-in commands too), the files in its
# directories afterwards, and, once the body has begun, that the shell fails. Finally the whole
# script must leave traces: otherwise nothing was tested.

truncation() {
	cell=$scratch/truncation-$1
	mkdir -p "$cell/home" "$cell/tmp" "$cell/here" "$cell/tools"
	for tool in $all awk bash busybox cargo dash date dd expr find id install ln make od printf \
		python3 rustc sleep sudo su tee test true which xargs; do
		printf '#!/bin/sh\necho "%s" >>"%s"\n' "$tool" "$cell/mark" >"$cell/tools/$tool"
		chmod 755 "$cell/tools/$tool"
	done
	cd "$cell/here" || return

	# A substitution removes the last newline; without it, the script is still complete.
	text=$(cat "$root/install.sh")
	comments=${text%%"
{
"*}
	# The offset of the opening brace; only comments come before it.
	body=$((${#comments} + 2))
	[ "$body" -lt "$size" ] || echo "      no opening brace was found"

	tried=0 content=0
	beginning=$text
	while [ -n "$beginning" ]; do
		beginning=${beginning%?}
		printf %s "$beginning" >"$cell/beginning"
		feed <"$cell/beginning"
		ended=$?
		# Shells read a download from a pipe in another way. That is slow in some shells, so only a
		# part of the beginnings is piped.
		if [ "$ended" -ne 0 ] && [ $((tried % 64)) -eq 0 ]; then
			printf %s "$beginning" | feed
			ended=$?
		fi
		tried=$((tried + 1))
		if [ "$ended" -eq 0 ] && [ "${#beginning}" -ge "$body" ]; then
			content=$((content + 1))
		fi
	done

	[ "$tried" -eq $((size - 1)) ] || echo "      $tried of $((size - 1)) beginnings were tried"
	[ "$content" -eq 0 ] || echo "      the shell was content with $content beginnings"
	[ ! -s "$cell/out" ] || sed 's/^/      said: /' "$cell/out"
	[ ! -e "$cell/mark" ] || sort "$cell/mark" | uniq -c | sed 's/^/      ran: /'
	grep '^+' "$cell/err" | sort | uniq -c | sed 's/^/      ran: /'
	find "$cell/home" "$cell/tmp" "$cell/here" -mindepth 1 | sed 's/^/      left: /'

	feed <<END
$text
END
	if [ ! -e "$cell/mark" ] || ! grep -q '^+' "$cell/err"; then
		echo "      the whole script left no trace"
	fi
}

# $shell is split on purpose.
# shellcheck disable=SC2086
feed() {
	PATH=$cell/tools HOME=$cell/home TMPDIR=$cell/tmp \
		$shell -x -s -- --to "$cell/home/there" --base-url http://127.0.0.1:1 \
		>>"$cell/out" 2>>"$cell/err"
}
