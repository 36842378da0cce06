# The ranks of docs/architecture.md: a file includes only lower ranks and its own folder.
# usage: awk -f layers.awk src/*/*.[ch] src/main.c include/ballast/*/*
BEGIN {
	n = split("base http shm balance config proxy worker,health master main.c", rows, " ")
	for (i = 1; i <= n; i++) {
		m = split(rows[i], folders, ",")
		for (j = 1; j <= m; j++)
			rank[folders[j]] = i
	}
}

FNR == 1 {
	folder = FILENAME
	sub(/^.*include\/ballast\//, "", folder)
	sub(/^.*src\//, "", folder)
	sub(/\/.*/, "", folder)
	if (!(folder in rank))
		complain("the folder " folder " has no rank")
}

function complain(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what
	bad = 1
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	target = part[2]
	if (target ~ /^ballast\//) {
		split(target, path, "/")
		to = path[2]
		if (!(to in rank))
			complain("\"" target "\": the folder " to " has no rank")
		else if (to != folder && rank[to] >= rank[folder])
			complain(folder " (rank " rank[folder] ") must not include " target \
				" (rank " rank[to] ")")
	} else if (target ~ /\//) {
		complain("\"" target "\": another folder is reached through ballast/ only")
	}
}

END { exit bad }
