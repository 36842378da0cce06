/*
 * Runs a fuzz target over files without libFuzzer, so that every compiler can
 * do it: replay-<target> FILE|DIRECTORY...  One line for each file that fails,
 * then `N passed, N failed`.  The files run in a child, which says in shared
 * memory how far it is: when it dies, its file has failed and another child
 * goes on behind it.  Owns the child; a file that hangs is ended by an alarm.
 */
#include "fuzz.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_MAX = 4096, INPUT_MAX = 1 << 20, HANG_S = 120 };

static char *files[FILES_MAX];
static unsigned n_files;

static void
add_file(const char *path)
{
	HOLDS(n_files < FILES_MAX);
	files[n_files] = strdup(path);
	HOLDS(files[n_files] != NULL);
	n_files++;
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* A directory's files in their order by name; anything else is a file. */
static void
add_path(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_visible, alphasort);

	if (n < 0)
		add_file(path);
	for (int i = 0; i < n; i++) {
		char *file;

		HOLDS(asprintf(&file, "%s/%s", path, entries[i]->d_name) > 0);
		add_file(file);
		free(file);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void
replay(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX);
	FILE *f = fopen(path, "re");
	size_t n;

	HOLDS(data != NULL && f != NULL);
	n = fread(data, 1, INPUT_MAX, f);
	HOLDS(!ferror(f));
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
}

static void
free_files(void)
{
	for (unsigned i = 0; i < n_files; i++)
		free(files[i]);
}

/* From *at on; *at stays at the file that ends the child. */
static void
replay_all(unsigned *at)
{
	for (; *at < n_files; (*at)++) {
		alarm(HANG_S);
		replay(files[*at]);
	}
	alarm(0);
	free_files();
}

/* True when it ended well, with nothing leaked. */
static bool
run_child(unsigned *at)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	HOLDS(pid >= 0);
	if (pid == 0) {
		replay_all(at);
		exit(0);
	}
	HOLDS(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int
main(int argc, char **argv)
{
	unsigned *at =
		mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned failed = 0;

	HOLDS(at != MAP_FAILED);
	for (int i = 1; i < argc; i++)
		add_path(argv[i]);
	while (*at < n_files) {
		if (run_child(at))
			continue;
		printf("FAILED %s\n", *at < n_files ? files[*at] : "(at its exit)");
		failed++;
		(*at)++;
	}
	if (n_files == 0)
		failed = 1; /* nothing replayed proves nothing */
	printf("%u passed, %u failed\n", n_files > failed ? n_files - failed : 0, failed);
	free_files();
	return failed > 0;
}
