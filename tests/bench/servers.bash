# SPDX-License-Identifier: ISC
# The servers that the benchmark compares. For each there is a function `serve_NAME PORT PROGRAM`: it replaces the shell
# with the server, which starts PROGRAM for each connection to 127.0.0.1:PORT. The server logs as little as it can, and
# its limits are above this load. It reads no configuration of this system.
#
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables that the scripts share

# The other servers: NAME PROGRAM PACKAGE, with the package name of Debian.
servers='xinetd xinetd xinetd
openbsd-inetd openbsd-inetd openbsd-inetd
tcpserver tcpserver ucspi-tcp
tcpsvd tcpsvd ipsvd
socat socat socat
systemd-socket-activate systemd-socket-activate systemd'

serve_limit() {
	daemon "$musl/tests/bench/limit" "$1" "$2"
}

serve_superd() {
	daemon "$musl/superd/superd" -q -p "$1" -b 127.0.0.1 "$2"
}

serve_xinetd() {
	cat >"$work/xinetd.$1" <<-END
		service bench
		{
			type = UNLISTED
			socket_type = stream
			protocol = tcp
			wait = no
			user = root
			bind = 127.0.0.1
			port = $1
			server = $2
			instances = UNLIMITED
			per_source = UNLIMITED
			cps = 1000000 1
			log_type = FILE /dev/null
		}
	END
	daemon xinetd -dontfork -f "$work/xinetd.$1" -pidfile "$work/xinetd.$1.pid"
}

serve_openbsd-inetd() {
	echo "127.0.0.1:$1 stream tcp nowait.1000000000 root $2 $2" >"$work/inetd.$1"
	daemon openbsd-inetd -i -q 1024 -R 1000000000 "$work/inetd.$1"
}

serve_tcpserver() {
	daemon tcpserver -q -R -H -l localhost -c 1024 -b 1024 127.0.0.1 "$1" "$2"
}

serve_tcpsvd() {
	daemon tcpsvd -l localhost -c 1024 -b 1024 127.0.0.1 "$1" "$2"
}

serve_socat() {
	daemon socat "TCP4-LISTEN:$1,bind=127.0.0.1,reuseaddr,backlog=1024,fork" "EXEC:$2,nofork"
}

serve_systemd-socket-activate() {
	daemon systemd-socket-activate --listen="127.0.0.1:$1" --accept --inetd "$2"
}
