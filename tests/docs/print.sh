#!/bin/sh
# print.sh PRINT-DOCS DIRECTORY: the pages that are made from the tables of options and metrics.
set -eu
"$1" config-md >"$2/config.md"
"$1" metrics-md >"$2/metrics.md"
"$1" config-mdoc | sed -e '/^\.\\" @OPTIONS@/{r /dev/stdin' -e 'd}' docs/ballast.yaml.5.in >"$2/ballast.yaml.5"
