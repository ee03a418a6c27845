#!/bin/bash
# The health check of a service's container: `healthcheck PORT`. Exits with 0 if the service is ready.
#
# Docker restarts a container when its process ends, but not when it is unhealthy. A server that is stopped, or whose event loop hangs,
# does not end. So this script ends it after UNANSWERED_LIMIT checks in a row without any answer. A server that answers "not ready"
# runs and is left alone: a restart would not bring its database back.
#
# It runs every few seconds in each container, so it uses nothing but bash: 1.4 ms of processor time, where Python needs 45.
set -u
port=$1
counts_file=${2:-/tmp/healthcheck}
init=${3:-1}             # the process whose child is the server
UNANSWERED_LIMIT=3       # the server accepts connections and does not answer
REFUSED_LIMIT=60         # the server does not accept connections: it starts, and takes longer than five minutes

# Asks for a path and waits for the status line. Sets `status`: three digits, "refused", or "" for no answer within the seconds.
ask() {
    local path=$1 seconds=$2
    status=refused
    { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || return
    status=""
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
    read -rt "$seconds" -u 3 _ status _
    exec 3>&-
}

# SIGABRT makes Python write the stack of every thread to the log (PYTHONFAULTHANDLER). SIGCONT lets a stopped process get there.
# SIGKILL ends what is left. It cannot end process 1 of a container, so the container needs an init process (`init: true`).
end_server() {
    local stat pid parent server=()
    for stat in /proc/[0-9]*/stat; do
        { read -r pid _ _ parent _ <"$stat"; } 2>/dev/null && [[ $parent == "$init" ]] && server+=("$pid")
    done
    TZ=UTC printf '{"at": "%(%FT%TZ)T", "level": "error", "message": "server_ended_by_health_check", "reason": "%s"}\n' -1 "$1" |
        tee -a "/proc/$init/fd/2" 2>/dev/null
    [[ ${#server[@]} == 0 ]] && return
    kill -ABRT "${server[@]}" && kill -CONT "${server[@]}" && sleep 1
    kill -KILL "${server[@]}" 2>/dev/null
}

unanswered=0 refused=0
[[ -r $counts_file ]] && read -r unanswered refused <"$counts_file"
if ((unanswered < UNANSWERED_LIMIT)); then
    # Counted beforehand: Docker kills a check that takes too long, and that is no answer either.
    echo "$((unanswered + 1)) $refused" >"$counts_file"
    ask /readyz 2
    readiness=${status:-no answer}
    [[ $status == "" ]] && ask /livez 1 # readiness waits for database and broker; this route waits for nothing
    case $status in
        refused) unanswered=0 refused=$((refused + 1)) ;;
        "") unanswered=$((unanswered + 1)) ;;
        *) unanswered=0 refused=0 ;;
    esac
fi
if ((unanswered >= UNANSWERED_LIMIT)); then
    end_server "no answer to $unanswered health checks in a row"
    unanswered=0
elif ((refused >= REFUSED_LIMIT)); then
    end_server "no connection in $refused health checks in a row"
    refused=0
fi
echo "$unanswered $refused" >"$counts_file"
echo "${readiness:=no answer}"
[[ $readiness == 200 ]]
