#include "database/live.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/process.h"
#include "target/room.h"

static struct error error;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

/* PostgreSQL refuses to run as root. */
#define SERVER_USER "postgres"

const char *live_file(const struct live *live, const char *name)
{
    static char paths[8][4096];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", live->folder, name);
    return path;
}

char *live_run(const struct live *live, int server_side, const char *const *argv)
{
    const char *words[40];
    size_t count = 0;
    struct buffer output = {0};
    int status = -1;
    if (server_side && getuid() == 0) {
        const char *root = getenv("CAISSON_TEST_CHROOT");
        words[count++] = "chroot";
        words[count++] = "--userspec=" SERVER_USER;
        words[count++] = root == NULL ? "/" : root;
    }
    const char *const in_folder[] = {"env", "-C", live->folder, "LC_ALL=C"};
    for (size_t i = 0; i < sizeof in_folder / sizeof in_folder[0]; i++) {
        words[count++] = in_folder[i];
    }
    for (size_t i = 0; argv[i] != NULL; i++) {
        assert_true(count + 1 < sizeof words / sizeof words[0]);
        words[count++] = argv[i];
    }
    words[count] = NULL;
    ASSERT_DONE(process_run(words, NULL, 120, &output, &status, &error));
    if (status != 0) {
        fail_msg("%s: status %d: %s", argv[0], status, buffer_text(&output));
    }
    return buffer_take(&output);
}

static void shell(const struct live *live, int server_side, const char *script)
{
    const char *const argv[] = {"sh", "-ec", script, NULL};
    free(live_run(live, server_side, argv));
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* Two authorities; the server's certificate has its name in "localhost" and 127.0.0.1, one in a wildcard, one only in its common name,
 * one is expired. */
static const char certificates[] =
    "exec 2>/dev/null\n"
    "authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem "
    "-days 30 -subj \"/CN=$1\"; }\n"
    "signed() { # NAME SUBJECT NAMES AUTHORITY [OPTION...]\n"
    "  name=$1 subject=$2 names=$3 authority=$4; shift 4\n"
    "  openssl req -newkey ${kind:-rsa:2048} ${curve:-} -nodes -keyout $name.key -out $name.csr -subj "
    "\"/CN=$subject\"\n"
    "  { echo basicConstraints=CA:FALSE; [ -z \"$names\" ] || echo subjectAltName=$names; } >$name.ext\n"
    "  openssl x509 -req -in $name.csr -CA $authority.pem -CAkey $authority.key -CAcreateserial -out $name.pem "
    "-extfile $name.ext \"$@\"\n"
    "}\n"
    "authority ca; authority other-ca\n"
    "signed server db DNS:localhost,IP:127.0.0.1 ca -days 20\n"
    "signed wild db DNS:*.example ca -days 20\n"
    "signed plain localhost '' ca -days 20\n"
    "signed old localhost DNS:localhost ca -days -1\n"
    "kind=ec curve='-pkeyopt ec_paramgen_curve:P-384' signed ec localhost DNS:localhost ca -days 20 -sha384\n"
    "signed client plain '' ca -days 20\n"
    "signed stranger plain '' other-ca -days 20\n"
    "openssl pkcs8 -topk8 -in client.key -passout pass:hunter9 -out client-locked.key\n"
    "mkdir lists; : >lists/index; echo 01 >lists/number\n"
    "printf "
    "'[ca]\\ndefault_ca=d\\n[d]\\ndatabase=lists/index\\ncrlnumber=lists/"
    "number\\ndefault_md=sha256\\ndefault_crl_days=10\\n' >lists/ca.cnf\n"
    "openssl ca -config lists/ca.cnf -gencrl -keyfile ca.key -cert ca.pem -out none-revoked.crl\n"
    "openssl ca -config lists/ca.cnf -gencrl -keyfile other-ca.key -cert other-ca.pem -out other.crl\n"
    "openssl ca -config lists/ca.cnf -revoke server.pem -keyfile ca.key -cert ca.pem\n"
    "openssl ca -config lists/ca.cnf -gencrl -keyfile ca.key -cert ca.pem -out server-revoked.crl\n"
    "chmod 600 *.key; cp client.key open.key; chmod 644 open.key\n";

void live_make(struct live *live)
{
    char folder[] = "/tmp/caisson-live-XXXXXX";
    char script[4096];
    *live = (struct live){.pid = -1, .port = free_port()};
    assert_non_null(mkdtemp(folder));
    live->folder = strdup(folder);
    assert_non_null(live->folder);
    live->binaries = strdup(room_postgres_binaries());
    assert_non_null(live->binaries);
    assert_int_equal(chmod(folder, 0755), 0);
    shell(live, 0, certificates);
    shell(live, 0,
          getuid() == 0 ? "install -d -o " SERVER_USER " -m 700 data sock keys" : "mkdir -m 700 data sock keys");
    shell(live, 0,
          getuid() == 0
              ? "for n in server wild plain old ec; do install -o " SERVER_USER
                " -m 600 $n.key $n.pem keys/; done; chmod 755 sock"
              : "for n in server wild plain old ec; do install -m 600 $n.key $n.pem keys/; done; chmod 755 sock");
    snprintf(script, sizeof script,
             "%s/initdb -D data --no-sync --encoding=UTF8 --locale=C -k -U owner --auth=trust >/dev/null\n"
             "cat >>data/postgresql.conf <<-EOF\n"
             "port = %d\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '%s/sock'\nfsync = off\n"
             "password_encryption = 'scram-sha-256'\n"
             "ssl = on\nssl_cert_file = '%s/keys/server.pem'\nssl_key_file = '%s/keys/server.key'\nssl_ca_file = "
             "'%s/ca.pem'\n"
             "EOF\n"
             "cat >data/pg_hba.conf <<-EOF\n"
             "local all owner trust\n"
             "hostssl closed all all scram-sha-256 clientcert=verify-ca\n"
             "hostssl all all all scram-sha-256\n"
             "hostssl replication owner all scram-sha-256\n"
             "EOF\n",
             live->binaries, live->port, live->folder, live->folder, live->folder, live->folder);
    shell(live, 1, script);
    live_start(live);
    live_sql(live, "postgres", "ALTER ROLE owner PASSWORD 'secret'");
    live_sql(live, "postgres", "CREATE ROLE plain LOGIN PASSWORD 'secret'");
    live_sql(live, "postgres", "CREATE DATABASE wiki");
    live_sql(live, "postgres", "CREATE DATABASE closed");
}

void live_start(struct live *live)
{
    char script[4096];
    snprintf(script, sizeof script,
             "%s/pg_ctl -D data -w -t 60 -l data/log start >/dev/null || { cat data/log; exit 1; }", live->binaries);
    shell(live, 1, script);
    char *text = NULL;
    const char *const argv[] = {"sh", "-c", "sed -n 1p data/postmaster.pid", NULL};
    text = live_run(live, 1, argv);
    live->pid = (pid_t)strtol(text, NULL, 10);
    free(text);
    assert_true(live->pid > 1);
}

void live_stop(struct live *live)
{
    char script[4096];
    if (live->pid > 1) {
        snprintf(script, sizeof script, "%s/pg_ctl -D data -w -m immediate stop >/dev/null", live->binaries);
        shell(live, 1, script);
        live->pid = -1;
    }
}

void live_remove(struct live *live)
{
    live_stop(live);
    const char *const argv[] = {"rm", "-rf", live->folder, NULL};
    struct buffer output = {0};
    int status = -1;
    ASSERT_DONE(process_run(argv, NULL, 60, &output, &status, &error));
    buffer_free(&output);
    free(live->folder);
    free(live->binaries);
}

void live_sql(const struct live *live, const char *database, const char *sql)
{
    struct query_session *session = NULL;
    struct query_target target = {
        .host = live_file(live, "sock"), .port = live->port, .user = "owner", .database = database};
    ASSERT_DONE(query_open(&target, 0, &session, &error));
    if (query_execute(session, sql, 120, NULL, &error) != 0) {
        fail_msg("%s: %s", sql, error.message);
    }
    query_close(session);
}

struct query_target live_target(const struct live *live, struct query_tls *tls, const char *database)
{
    static char root[4096];
    snprintf(root, sizeof root, "%s", live_file(live, "ca.pem"));
    *tls = (struct query_tls){.mode = "verify-full", .root_certificate = root};
    return (struct query_target){.host = "localhost",
                                 .port = live->port,
                                 .user = "owner",
                                 .password = "secret",
                                 .database = database,
                                 .tls = tls};
}
