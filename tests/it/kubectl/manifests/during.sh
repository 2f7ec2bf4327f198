# during.sh LINES ACT COMMAND...: does ACT as soon as COMMAND watches (or was told that what it waits for is not there), and
# ends COMMAND when it has printed LINES lines;
# 0 lines: it ends by itself, and its exit code counts. No times: kubectl says in its log when the server began a watch.
lines=$1 act=$2
shift 2
said=$(mktemp -d)
: >"$said/out" >"$said/err"
"$@" -v=6 >"$said/out" 2>"$said/err" & pid=$!
runs() { kill -0 $pid 2>/dev/null; }
until grep -q 'watch=true.*200 OK\|404 Not Found' "$said/err" || ! runs; do sleep 0.05; done
sh -c "$act" >/dev/null 2>&1
while [ "$lines" -gt 0 ] && [ "$(wc -l <"$said/out")" -lt "$lines" ] && runs; do sleep 0.05; done
[ "$lines" -eq 0 ] || kill $pid
wait $pid
code=$?
cat "$said/out"
grep -v '^[EIW][0-9]\{4\} ' "$said/err" >&2
[ "$lines" -gt 0 ] || exit $code
