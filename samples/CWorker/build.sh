#!/bin/sh
# Builds the C worker: stubs from portmap.x, then one gcc line. Needs rpcgen (rpcsvc-proto), gcc and libtirpc-dev.
#
#   sh build.sh [PORTMAP_X] [OUTPUT_FOLDER]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
interface=$(realpath "${1:-$here/../../src/Portmap.Rpc/Protocol/portmap.x}")
mkdir -p "${2:-$here/bin}"
cd "${2:-$here/bin}"
cp "$interface" portmap.x        # rpcgen writes the name it is given into the stubs
rm -f portmap.h portmap_clnt.c portmap_xdr.c
rpcgen -h -o portmap.h portmap.x
rpcgen -l -o portmap_clnt.c portmap.x
rpcgen -c -o portmap_xdr.c portmap.x
gcc -O2 -I. -I/usr/include/tirpc -o worker "$here/worker.c" portmap_clnt.c portmap_xdr.c -ltirpc
