#!/bin/sh
# Ask all questions; with a report to compare with, exit 1 when the answers got significantly worse.
# 回答全部问题；给出对照报告时，若回答显著变差则以 1 退出。
#   sh gate.sh before                        sh gate.sh after before/report.json
set -eu
here=$(dirname "$0")
out=$1
nacre sync "${DOCUMENTS:-$here/documents}" --kb "$out/kb"
nacre eval answers --data "$here/questions.jsonl" --kb "$out/kb" --out "$out" ${2:+--gate "$2"}
