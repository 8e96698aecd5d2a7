#!/bin/sh
# ctrlgenM1.py NAME: the main input of ecalj, before 2026
. "$(dirname "$0")/common.sh"
name=${1:?usage: ctrlgenM1.py NAME}
need "ctrls.$name"
{
  echo '%const nk1=8 nk2=nk1 nk3=nk1 nspin=1 so=0 ssig=1.0'
  cat "ctrls.$name"
  echo 'SPEC'
  awk '/ATOM=/ && !seen[$1]++ { print "    " $1 " LMX=4 LMXA=4" }' "ctrls.$name"
} > "ctrlgenM1.ctrl.$name"
echo "=== End of ctrlgenM1.py. OK! ctrlgenM1.ctrl.$name is generated."
