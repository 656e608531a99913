/*
 * scitokens-probe presents tokens to the installed scitokens-cpp.
 * It opens the library at run time, so that one binary works with all of its versions.
 *
 *   scitokens-probe ISSUER KEY-ID KEY.PEM AUDIENCE < TOKENS
 *
 * It calls the library as HTCondor and XRootD do (scitoken_deserialize,
 * enforcer_generate_acls), and writes one line for each token: "ok AUTHZ:PATH AUTHZ:PATH ...",
 * or "no MESSAGE". The public key is stored in the library's cache, so that nothing is
 * fetched. Each token is judged in a child process: some crash or hang an old library.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
	const char *authz, *resource;
} Acl;

static int (*store_key)(const char *, const char *, const char *, char **);
static int (*deserialize)(const char *, void **, char const *const *, char **);
static void *(*enforcer_create)(const char *, const char **, char **);
static int (*generate_acls)(const void *, const void *, Acl **, char **);

static void die(const char *what, const char *why)
{
	fprintf(stderr, "scitokens-probe: error: %s: %s\n", what, why ? why : "unknown");
	exit(2);
}

static void *symbol(void *lib, const char *name)
{
	void *p = dlsym(lib, name);
	if (!p)
		die(name, dlerror());
	return p;
}

/* clean prints text on one line with escapes: a scope may contain any character. */
static void clean(const char *s)
{
	for (; s && *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c <= ' ' || c == '\\' || c > '~')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

static void judge(const char *issuer, const char **audiences, const char *token)
{
	char *err = NULL;
	void *parsed = NULL;
	Acl *acls = NULL;
	void *enforcer = enforcer_create(issuer, audiences, &err);
	if (!enforcer)
		die("enforcer_create", err);
	if (deserialize(token, &parsed, NULL, &err) || generate_acls(enforcer, parsed, &acls, &err)) {
		printf("no ");
		clean(err);
		putchar('\n');
		return;
	}
	printf("ok");
	for (; acls && (acls->authz || acls->resource); acls++) {
		putchar(' ');
		clean(acls->authz);
		putchar(':');
		clean(acls->resource);
	}
	putchar('\n');
}

int main(int argc, char **argv)
{
	static char pem[65536];
	char *line = NULL, *err = NULL;
	size_t room = 0;
	ssize_t n;

	if (argc < 5)
		die("usage", "scitokens-probe ISSUER KEY-ID KEY.PEM AUDIENCE...");
	void *lib = dlopen("libSciTokens.so.0", RTLD_NOW);
	if (!lib)
		die("dlopen", dlerror());
	store_key = symbol(lib, "scitoken_store_public_ec_key");
	deserialize = symbol(lib, "scitoken_deserialize");
	enforcer_create = symbol(lib, "enforcer_create");
	generate_acls = symbol(lib, "enforcer_generate_acls");
	FILE *f = fopen(argv[3], "r");
	if (!f || !fread(pem, 1, sizeof pem - 1, f))
		die(argv[3], "cannot read the key");
	fclose(f);
	if (store_key(argv[1], argv[2], pem, &err))
		die("scitoken_store_public_ec_key", err);
	setvbuf(stdout, NULL, _IOLBF, 1 << 16);
	while ((n = getline(&line, &room, stdin)) > 0) {
		while (n > 0 && line[n - 1] == '\n')
			line[--n] = 0;
		fflush(stdout);
		pid_t pid = fork();
		if (pid < 0)
			die("fork", "failed");
		if (pid == 0) {
			alarm(5);
			judge(argv[1], (const char **)(argv + 4), line);
			fflush(stdout);
			_exit(0);
		}
		int status;
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status))
			printf("no signal %d\n", WTERMSIG(status));
	}
	return 0;
}
