#!/bin/sh
# ctrlgenToml.py NAME: the one input of ecalj since 2026. It has a folder of its own, as the
# template asks for this program to tell which ecalj it has.
. "$(dirname "$0")/../common.sh"
name=${1:?usage: ctrlgenToml.py NAME}
need "ctrls.$name"
{
  printf '[bz]\nnkabc = [8, 8, 8]\n[gw]\nn1n2n3 = [4, 4, 4]\n'
  awk '/ATOM=/ { sub(/ATOM=/, "", $1); print "[[site]]\natom = \"" $1 "\"" }' "ctrls.$name"
} > "ctrlg.$name.toml"
