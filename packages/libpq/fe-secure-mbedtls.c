/*
 * fe-secure-mbedtls.c - TLS for libpq by mbedTLS: what libpq-int.h asks of a TLS implementation, and PQsslAttribute and its kin.
 *
 * TLS 1.2 and 1.3, client certificates, CRLs, channel binding (RFC 5929), ALPN, SNI. Options mean what libpq's documentation says,
 * except: nothing in a home folder is taken; where a CRL is named it has to be read, and there has to be one for each issuer; no engines; sslcertmode=require is refused, as nothing tells whether the
 * server asked; sslrootcert=system is SSL_CERT_FILE or /etc/ssl/certs/ca-certificates.crt.
 *
 * Public API of mbedTLS 3.6, but for three members that have no other door: the alert that was received, the digest that a
 * certificate was signed with, whether the handshake is over.
 */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include "postgres_fe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>

#include "fe-secure-common.h"
#include "libpq-fe.h"
#include "libpq-int.h"
#include "libpq/pqcomm.h"

#define SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt"

struct pg_tls {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_x509_crt roots;
    mbedtls_x509_crl revoked;
    mbedtls_x509_crt certificate; /* ours, with what leads to its root */
    mbedtls_pk_context key;
    size_t unsent; /* bytes of a record that was made and not yet sent in full; 0: none */
    bool checks;   /* there are roots, so the server's certificate must lead to one */
    int error;     /* the socket's, at the last failure */
};

static const char *const alpn_names[] = {PG_ALPN_PROTOCOL, NULL};

/* --- words --- */

/* The alerts of RFC 8446 and RFC 5246 that a server ends a handshake with. */
static const char *alert_text(int number)
{
    static const struct {
        int number;
        const char *text;
    } alerts[] = {
        {20, "bad record MAC"},
        {40, "handshake failure: no protocol version, cipher or signature that both accept"},
        {42, "it cannot use our certificate"},
        {43, "it does not take certificates of this kind"},
        {44, "our certificate is revoked"},
        {45, "our certificate is expired"},
        {46, "our certificate is not accepted"},
        {47, "illegal parameter"},
        {48, "it does not know who signed our certificate"},
        {49, "access denied"},
        {50, "it could not read what we sent"},
        {51, "decryption failed"},
        {70, "it does not speak a TLS version that we may use"},
        {71, "it wants stronger ciphers"},
        {80, "internal error on its side"},
        {112, "it has no certificate for this host name"},
        {116, "it requires a client certificate"},
        {120, "it does not speak PostgreSQL's protocol here (ALPN)"},
    };
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        if (alerts[i].number == number) {
            return alerts[i].text;
        }
    }
    return NULL;
}

/* Why the server's certificate is not good, in one line. */
static void describe_refused(uint32_t flags, char *text, size_t size)
{
    static const struct {
        uint32_t flag;
        const char *text;
    } reasons[] = {
        {MBEDTLS_X509_BADCERT_EXPIRED, "it has expired"},
        {MBEDTLS_X509_BADCERT_FUTURE, "it is not valid yet: compare the clocks"},
        {MBEDTLS_X509_BADCERT_REVOKED, "it is revoked"},
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "it does not lead to one of the given roots"},
        {MBEDTLS_X509_BADCRL_NOT_TRUSTED, "there is no good revocation list of its issuer"},
        {MBEDTLS_X509_BADCRL_EXPIRED, "the revocation list has expired"},
        {MBEDTLS_X509_BADCRL_FUTURE, "the revocation list is not valid yet: compare the clocks"},
        {MBEDTLS_X509_BADCERT_KEY_USAGE, "its key is not meant for this use"},
        {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "it is not meant for servers"},
        {MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "it is not meant for servers"},
        {MBEDTLS_X509_BADCERT_BAD_MD, "it is signed with a digest that is too weak"},
        {MBEDTLS_X509_BADCERT_BAD_PK, "it has a key of a kind that is not accepted"},
        {MBEDTLS_X509_BADCERT_BAD_KEY, "its key is too weak"},
        {MBEDTLS_X509_BADCRL_BAD_MD, "the revocation list is signed with a digest that is too weak"},
        {MBEDTLS_X509_BADCRL_BAD_KEY, "the revocation list is signed with a key that is too weak"},
    };
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0] && used < size; i++) {
        if ((flags & reasons[i].flag) != 0) {
            used += (size_t) snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ", ", reasons[i].text);
        }
    }
    if (used == 0) {
        snprintf(text, size, "reason 0x%x", (unsigned) flags);
    }
}

/* Says what mbedTLS means by this code. */
static void say(PGconn *conn, const char *doing, int code)
{
    struct pg_tls *tls = conn->tls;
    char text[256];
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE && tls != NULL && tls->ssl.in_msg != NULL) {
        int number = tls->ssl.in_msg[1];
        const char *known = alert_text(number);
        if (known == NULL) {
            snprintf(text, sizeof text, "TLS alert %d", number);
        }
        libpq_append_conn_error(conn, "%s: the server refused: %s", doing, known == NULL ? text : known);
    } else if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED && tls != NULL) {
        describe_refused(mbedtls_ssl_get_verify_result(&tls->ssl), text, sizeof text);
        libpq_append_conn_error(conn, "%s: the server's certificate is not accepted: %s", doing, text);
    } else {
        mbedtls_strerror(code, text, sizeof text);
        libpq_append_conn_error(conn, "%s: %s", doing, text);
    }
}

/* --- the socket --- */

static int receive_bytes(void *context, unsigned char *data, size_t size)
{
    PGconn *conn = context;
    ssize_t got = pqsecure_raw_read(conn, data, size);
    if (got > 0) {
        conn->ssl_handshake_started = true;
        return (int) got;
    }
    if (got == 0) {
        conn->tls->error = 0;
        return MBEDTLS_ERR_SSL_CONN_EOF;
    }
    conn->tls->error = SOCK_ERRNO;
    return SOCK_ERRNO == EAGAIN || SOCK_ERRNO == EWOULDBLOCK || SOCK_ERRNO == EINTR ? MBEDTLS_ERR_SSL_WANT_READ
                                                                                   : PSA_ERROR_COMMUNICATION_FAILURE;
}

static int send_bytes(void *context, const unsigned char *data, size_t size)
{
    PGconn *conn = context;
    ssize_t sent = pqsecure_raw_write(conn, data, size);
    if (sent >= 0) {
        return (int) sent;
    }
    conn->tls->error = SOCK_ERRNO;
    return SOCK_ERRNO == EAGAIN || SOCK_ERRNO == EWOULDBLOCK || SOCK_ERRNO == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE
                                                                                   : PSA_ERROR_COMMUNICATION_FAILURE;
}

/* After a failed read or write: says why (the socket's own words are there already) and sets errno. */
static ssize_t end_of_stream(PGconn *conn, int code)
{
    if (code == PSA_ERROR_COMMUNICATION_FAILURE && conn->tls->error != 0) {
        SOCK_ERRNO_SET(conn->tls->error);
        return -1;
    }
    if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        libpq_append_conn_error(conn, "SSL connection has been closed unexpectedly");
    } else if (code == MBEDTLS_ERR_SSL_CONN_EOF || code == 0) {
        libpq_append_conn_error(conn, "server closed the connection unexpectedly\n"
                                      "\tThis probably means the server terminated abnormally\n"
                                      "\tbefore or while processing the request.");
    } else {
        say(conn, "SSL error", code);
    }
    SOCK_ERRNO_SET(ECONNRESET);
    return -1;
}

/* --- setting up --- */

void pgtls_init_library(bool do_ssl, int do_crypto)
{
}

int pgtls_init(PGconn *conn, bool do_ssl, bool do_crypto)
{
    if (do_ssl && psa_crypto_init() != PSA_SUCCESS) {
        libpq_append_conn_error(conn, "could not set up TLS: the system gives no random numbers or no memory");
        return -1;
    }
    return 0;
}

/* The option's value; "" without one. What lies in a home folder is not taken: only what was named counts. */
static void file_of(const char *option, char path[MAXPGPATH])
{
    strlcpy(path, option == NULL ? "" : option, MAXPGPATH);
}

/* A code above 0 says how many of the file's certificates could not be read: those that can be used are. */
static int read_certificates(PGconn *conn, mbedtls_x509_crt *list, const char *what, const char *path)
{
    int code = mbedtls_x509_crt_parse_file(list, path);
    if (code < 0 || list->version == 0) {
        char text[256] = "there is none in it that can be used";
        if (code < 0) {
            mbedtls_strerror(code, text, sizeof text);
        }
        libpq_append_conn_error(conn, "could not read %s file \"%s\": %s", what, path, text);
        return -1;
    }
    return 0;
}

static int read_revoked(PGconn *conn, struct pg_tls *tls)
{
    char path[MAXPGPATH];
    if (conn->sslcrldir != NULL && conn->sslcrldir[0] != '\0') {
        libpq_append_conn_error(conn, "sslcrldir is not supported by this build; put the lists into one file and name it as sslcrl");
        return -1;
    }
    file_of(conn->sslcrl, path);
    if (path[0] == '\0') {
        return 0;
    }
    int code = mbedtls_x509_crl_parse_file(&tls->revoked, path);
    if (code != 0) {
        char text[256];
        mbedtls_strerror(code, text, sizeof text);
        libpq_append_conn_error(conn, "could not read certificate revocation list \"%s\": %s", path, text);
        return -1;
    }
    return 0;
}

static int read_roots(PGconn *conn, struct pg_tls *tls)
{
    char path[MAXPGPATH];
    struct stat status;
    file_of(conn->sslrootcert, path);
    if (strcmp(path, "system") == 0) {
        const char *file = getenv("SSL_CERT_FILE");
        strlcpy(path, file == NULL ? SYSTEM_ROOTS : file, sizeof path);
    } else if (path[0] == '\0' || stat(path, &status) != 0) {
        if (conn->sslmode[0] == 'v') { /* verify-ca, verify-full */
            libpq_append_conn_error(conn, "root certificate file \"%s\" does not exist", path);
            return -1;
        }
        return 0;
    }
    tls->checks = true;
    return read_certificates(conn, &tls->roots, "root certificate", path) != 0 ? -1 : read_revoked(conn, tls);
}

/* As libpq documents it: a file of root's may be read by its group, any other by its owner alone. */
static bool key_is_private(const struct stat *status)
{
    mode_t others = status->st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    return (status->st_mode & others) == 0;
}

static int read_key(PGconn *conn, struct pg_tls *tls)
{
    char path[MAXPGPATH];
    struct stat status;
    file_of(conn->sslkey, path);
    if (path[0] == '\0' || stat(path, &status) != 0) {
        libpq_append_conn_error(conn, "there is a certificate, but no private key file \"%s\"", path);
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        libpq_append_conn_error(conn, "private key file \"%s\" is not a regular file", path);
        return -1;
    }
    if (!key_is_private(&status)) {
        libpq_append_conn_error(conn, "private key file \"%s\" may be read by others; give it mode 0600 (or 0640 where root owns it)", path);
        return -1;
    }
    const char *password = conn->sslpassword != NULL && conn->sslpassword[0] != '\0' ? conn->sslpassword : NULL;
    int code = mbedtls_pk_parse_keyfile(&tls->key, path, password, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    if (code != 0) {
        char text[256];
        mbedtls_strerror(code, text, sizeof text);
        libpq_append_conn_error(conn, "could not load private key file \"%s\": %s", path, text);
        return -1;
    }
    if (mbedtls_pk_check_pair(&tls->certificate.pk, &tls->key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) != 0) {
        libpq_append_conn_error(conn, "certificate does not match private key file \"%s\"", path);
        return -1;
    }
    return 0;
}

static int read_own(PGconn *conn, struct pg_tls *tls)
{
    char path[MAXPGPATH];
    struct stat status;
    file_of(conn->sslcert, path);
    if (conn->sslcertmode[0] == 'd' || path[0] == '\0') { /* disable */
        return 0;
    }
    if (stat(path, &status) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return 0; /* the server may do without */
        }
        libpq_append_conn_error(conn, "could not open certificate file \"%s\": %m", path);
        return -1;
    }
    if (read_certificates(conn, &tls->certificate, "certificate", path) != 0 || read_key(conn, tls) != 0) {
        return -1;
    }
    int code = mbedtls_ssl_conf_own_cert(&tls->config, &tls->certificate, &tls->key);
    if (code != 0) {
        say(conn, "could not use the certificate", code);
    }
    return code == 0 ? 0 : -1;
}

/* fe-connect.c has checked that it is one of TLSv1 to TLSv1.3, and their order. Older ones than 1.2 are not to be had. */
static int set_versions(PGconn *conn, struct pg_tls *tls)
{
    const char *least = conn->ssl_min_protocol_version;
    const char *most = conn->ssl_max_protocol_version;
    if (most != NULL && most[0] != '\0' && strcasecmp(most, "TLSv1.2") != 0 && strcasecmp(most, "TLSv1.3") != 0) {
        libpq_append_conn_error(conn, "ssl_max_protocol_version is \"%s\", and this build speaks TLSv1.2 and TLSv1.3 only", most);
        return -1;
    }
    mbedtls_ssl_conf_min_tls_version(&tls->config, least != NULL && strcasecmp(least, "TLSv1.3") == 0
                                                       ? MBEDTLS_SSL_VERSION_TLS1_3
                                                       : MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(&tls->config, most != NULL && strcasecmp(most, "TLSv1.2") == 0
                                                       ? MBEDTLS_SSL_VERSION_TLS1_2
                                                       : MBEDTLS_SSL_VERSION_TLS1_3);
    return 0;
}

static bool same(const mbedtls_x509_buf *one, const mbedtls_x509_buf *other)
{
    return one->len == other->len && memcmp(one->p, other->p, one->len) == 0;
}

/* mbedTLS passes over lists of other authorities; so a wrong one would check nothing. */
static bool has_list(const struct pg_tls *tls, const mbedtls_x509_crt *certificate)
{
    for (const mbedtls_x509_crl *list = &tls->revoked; list != NULL; list = list->next) {
        if (list->version != 0 && same(&list->issuer_raw, &certificate->issuer_raw)) {
            return true;
        }
    }
    return false;
}

/* libpq compares names itself (also addresses and wildcards), after the handshake, if verify-full asks for it. mbedTLS would for every
 * mode, as it couples that to SNI. */
static int judge(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    const struct pg_tls *tls = context;
    *flags &= ~(uint32_t) MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if (tls->revoked.version != 0 && !same(&certificate->subject_raw, &certificate->issuer_raw) &&
        !has_list(tls, certificate)) {
        *flags |= MBEDTLS_X509_BADCRL_NOT_TRUSTED;
    }
    return 0;
}

static bool is_address(const char *host)
{
    struct in6_addr address;
    return strspn(host, "0123456789.") == strlen(host) || inet_pton(AF_INET6, host, &address) == 1 || strchr(host, ':') != NULL;
}

static int set_up(PGconn *conn, struct pg_tls *tls)
{
    const char *host = conn->connhost[conn->whichhost].host;
    bool tells_name = conn->sslsni != NULL && conn->sslsni[0] == '1' && host != NULL && host[0] != '\0' && !is_address(host);
    int code = mbedtls_ssl_config_defaults(&tls->config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                           MBEDTLS_SSL_PRESET_DEFAULT);
    if (code == 0) {
        code = mbedtls_ssl_conf_alpn_protocols(&tls->config, (const char **) alpn_names);
    }
    if (code != 0) {
        say(conn, "could not set up TLS", code);
        return -1;
    }
    mbedtls_ssl_conf_rng(&tls->config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    if (set_versions(conn, tls) != 0 || read_roots(conn, tls) != 0 || read_own(conn, tls) != 0) {
        return -1;
    }
    mbedtls_ssl_conf_verify(&tls->config, judge, tls);
    mbedtls_ssl_conf_ca_chain(&tls->config, &tls->roots, &tls->revoked);
    mbedtls_ssl_conf_authmode(&tls->config, tls->checks ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_OPTIONAL);
    code = mbedtls_ssl_setup(&tls->ssl, &tls->config);
    if (code == 0) {
        code = mbedtls_ssl_set_hostname(&tls->ssl, tells_name ? host : NULL);
    }
    if (code != 0) {
        say(conn, "could not set up TLS", code);
        return -1;
    }
    mbedtls_ssl_set_bio(&tls->ssl, conn, send_bytes, receive_bytes, NULL);
    return 0;
}

static struct pg_tls *tls_new(void)
{
    struct pg_tls *tls = calloc(1, sizeof *tls);
    if (tls != NULL) {
        mbedtls_ssl_init(&tls->ssl);
        mbedtls_ssl_config_init(&tls->config);
        mbedtls_x509_crt_init(&tls->roots);
        mbedtls_x509_crl_init(&tls->revoked);
        mbedtls_x509_crt_init(&tls->certificate);
        mbedtls_pk_init(&tls->key);
    }
    return tls;
}

/* --- what libpq-int.h asks for --- */

void pgtls_close(PGconn *conn)
{
    struct pg_tls *tls = conn->tls;
    if (tls != NULL) {
        if (conn->ssl_in_use && tls->ssl.state == MBEDTLS_SSL_HANDSHAKE_OVER) {
            (void) mbedtls_ssl_close_notify(&tls->ssl);
        }
        mbedtls_ssl_free(&tls->ssl);
        mbedtls_ssl_config_free(&tls->config);
        mbedtls_x509_crt_free(&tls->roots);
        mbedtls_x509_crl_free(&tls->revoked);
        mbedtls_x509_crt_free(&tls->certificate);
        mbedtls_pk_free(&tls->key);
        free(tls);
    }
    conn->tls = NULL;
    conn->ssl_in_use = false;
    conn->ssl_handshake_started = false;
}

/* With sslnegotiation=direct nothing but ALPN says that the other side is a PostgreSQL server. */
static bool check_alpn(PGconn *conn)
{
    const char *name = mbedtls_ssl_get_alpn_protocol(&conn->tls->ssl);
    if (name == NULL && conn->sslnegotiation[0] == 'd') {
        libpq_append_conn_error(conn, "direct SSL connection was established without ALPN protocol negotiation extension");
        return false;
    }
    return true; /* mbedTLS takes none that we did not offer */
}

PostgresPollingStatusType pgtls_open_client(PGconn *conn)
{
    if (conn->tls == NULL) {
        conn->tls = tls_new();
        if (conn->tls == NULL) {
            libpq_append_conn_error(conn, "out of memory");
            return PGRES_POLLING_FAILED;
        }
        if (set_up(conn, conn->tls) != 0) {
            pgtls_close(conn);
            return PGRES_POLLING_FAILED;
        }
        conn->ssl_in_use = true;
    }
    int code = mbedtls_ssl_handshake(&conn->tls->ssl);
    if (code == MBEDTLS_ERR_SSL_WANT_READ) {
        return PGRES_POLLING_READING;
    }
    if (code == MBEDTLS_ERR_SSL_WANT_WRITE) {
        return PGRES_POLLING_WRITING;
    }
    if (code == 0 && check_alpn(conn) && pq_verify_peer_name_matches_certificate(conn)) {
        return PGRES_POLLING_OK;
    }
    if (code == MBEDTLS_ERR_SSL_CONN_EOF) {
        libpq_append_conn_error(conn, "SSL error: the server closed the connection during the handshake");
    } else if (code == PSA_ERROR_COMMUNICATION_FAILURE && conn->tls->error != 0) {
        char text[PG_STRERROR_R_BUFLEN];
        libpq_append_conn_error(conn, "SSL SYSCALL error: %s", SOCK_STRERROR(conn->tls->error, text, sizeof text));
    } else if (code != 0) {
        say(conn, "SSL error", code);
    }
    pgtls_close(conn);
    return PGRES_POLLING_FAILED;
}

/* The caller waits for data to read; where TLS wants to write first, that is waited for here. */
static void wait_to_write(PGconn *conn)
{
    struct pollfd socket = {.fd = conn->sock, .events = POLLOUT};
    (void) poll(&socket, 1, 1000);
}

ssize_t pgtls_read(PGconn *conn, void *ptr, size_t len)
{
    for (;;) {
        int got = mbedtls_ssl_read(&conn->tls->ssl, ptr, len);
        if (got > 0) {
            SOCK_ERRNO_SET(0);
            return got;
        }
        if (got == MBEDTLS_ERR_SSL_WANT_READ) {
            SOCK_ERRNO_SET(0);
            return 0;
        }
        if (got == MBEDTLS_ERR_SSL_WANT_WRITE) {
            wait_to_write(conn);
        } else if (got != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            return end_of_stream(conn, got);
        }
    }
}

ssize_t pgtls_bytes_pending(PGconn *conn)
{
    return (ssize_t) mbedtls_ssl_get_bytes_avail(&conn->tls->ssl);
}

/* A record that could not be sent whole is mbedTLS's: it wants to be called again for those bytes and would take a longer call to
 * mean that all of them are in it. libpq never offers fewer. */
ssize_t pgtls_write(PGconn *conn, const void *ptr, size_t len)
{
    struct pg_tls *tls = conn->tls;
    int most = mbedtls_ssl_get_max_out_record_payload(&tls->ssl);
    size_t size = tls->unsent != 0 ? tls->unsent : most > 0 && len > (size_t) most ? (size_t) most : len;
    int sent = mbedtls_ssl_write(&tls->ssl, ptr, size);
    tls->unsent = sent == MBEDTLS_ERR_SSL_WANT_WRITE || sent == MBEDTLS_ERR_SSL_WANT_READ ? size : 0;
    if (tls->unsent != 0) {
        SOCK_ERRNO_SET(0);
        return 0;
    }
    return sent < 0 ? end_of_stream(conn, sent) : sent;
}

/* RFC 5929, section 4.1: the digest of its signature, and SHA-256 in place of MD5 and SHA-1. */
char *pgtls_get_peer_certificate_hash(PGconn *conn, size_t *len)
{
    const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&conn->tls->ssl);
    *len = 0;
    if (peer == NULL) {
        libpq_append_conn_error(conn, "the server gave no certificate to bind the channel to");
        return NULL;
    }
    mbedtls_md_type_t type =
        peer->sig_md == MBEDTLS_MD_MD5 || peer->sig_md == MBEDTLS_MD_SHA1 ? MBEDTLS_MD_SHA256 : peer->sig_md;
    const mbedtls_md_info_t *digest = mbedtls_md_info_from_type(type);
    unsigned char *hash = digest == NULL ? NULL : malloc(MBEDTLS_MD_MAX_SIZE);
    if (hash == NULL || mbedtls_md(digest, peer->raw.p, peer->raw.len, hash) != 0) {
        libpq_append_conn_error(conn, "could not generate peer certificate hash");
        free(hash);
        return NULL;
    }
    *len = mbedtls_md_get_size(digest);
    return (char *) hash;
}

/* One name of the certificate: keeps the first for messages. 1: it matches. */
static int compare_name(PGconn *conn, bool is_ip, const mbedtls_asn1_buf *name, int *names_examined, char **first_name)
{
    char *text = NULL;
    int result = is_ip ? pq_verify_peer_name_matches_certificate_ip(conn, name->p, name->len, &text)
                       : pq_verify_peer_name_matches_certificate_name(conn, (const char *) name->p, name->len, &text);
    (*names_examined)++;
    if (*first_name == NULL) {
        *first_name = text;
    } else {
        free(text);
    }
    return result;
}

/* Alternative names first; the common name counts where none of them is of the host's kind (libpq's documentation of verify-full). */
int pgtls_verify_peer_name_matches_certificate_guts(PGconn *conn, int *names_examined, char **first_name)
{
    enum { DNS_NAME = 2, IP_ADDRESS = 7 }; /* tags of a GeneralName, RFC 5280 4.2.1.6 */
    const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&conn->tls->ssl);
    const char *host = conn->connhost[conn->whichhost].host;
    struct in_addr address4;
    struct in6_addr address6;
    int kind = inet_aton(host, &address4) != 0 || inet_pton(AF_INET6, host, &address6) == 1 ? IP_ADDRESS : DNS_NAME;
    bool same_kind = false;
    if (peer == NULL) {
        libpq_append_conn_error(conn, "the server gave no certificate");
        return -1;
    }
    for (const mbedtls_x509_sequence *names = &peer->subject_alt_names; names != NULL; names = names->next) {
        int tag = names->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (names->buf.p == NULL || (tag != DNS_NAME && tag != IP_ADDRESS)) {
            continue;
        }
        same_kind = same_kind || tag == kind;
        int result = compare_name(conn, tag == IP_ADDRESS, &names->buf, names_examined, first_name);
        if (result != 0) {
            return result;
        }
    }
    for (const mbedtls_x509_name *part = &peer->subject; !same_kind && part != NULL; part = part->next) {
        if (part->oid.p != NULL && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0) {
            return compare_name(conn, false, &part->val, names_examined, first_name);
        }
    }
    return 0;
}

/* --- what an application may ask --- */

void *PQgetssl(PGconn *conn)
{
    return NULL; /* an SSL of OpenSSL's, which there is none */
}

void *PQsslStruct(PGconn *conn, const char *struct_name)
{
    return conn != NULL && conn->tls != NULL && strcmp(struct_name, "mbedTLS") == 0 ? &conn->tls->ssl : NULL;
}

const char *const *PQsslAttributeNames(PGconn *conn)
{
    static const char *const names[] = {"library", "key_bits", "cipher", "compression", "protocol", "alpn", NULL};
    static const char *const none[] = {NULL};
    return conn != NULL && conn->tls == NULL ? none : names;
}

const char *PQsslAttribute(PGconn *conn, const char *attribute_name)
{
    if (conn == NULL) {
        return strcmp(attribute_name, "library") == 0 ? "mbedTLS" : NULL;
    }
    if (conn->tls == NULL) {
        return NULL;
    }
    const mbedtls_ssl_context *ssl = &conn->tls->ssl;
    if (strcmp(attribute_name, "library") == 0) {
        return "mbedTLS";
    }
    if (strcmp(attribute_name, "key_bits") == 0) {
        static const struct {
            size_t bits;
            const char *text;
        } sizes[] = {{128, "128"}, {192, "192"}, {256, "256"}};
        const mbedtls_ssl_ciphersuite_t *suite = mbedtls_ssl_ciphersuite_from_id(mbedtls_ssl_get_ciphersuite_id_from_ssl(ssl));
        size_t bits = suite == NULL ? 0 : mbedtls_ssl_ciphersuite_get_cipher_key_bitlen(suite);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            if (sizes[i].bits == bits) {
                return sizes[i].text;
            }
        }
        return NULL;
    }
    if (strcmp(attribute_name, "cipher") == 0) {
        return mbedtls_ssl_get_ciphersuite(ssl);
    }
    if (strcmp(attribute_name, "compression") == 0) {
        return "off";
    }
    if (strcmp(attribute_name, "protocol") == 0) {
        return mbedtls_ssl_get_version(ssl);
    }
    if (strcmp(attribute_name, "alpn") == 0) {
        const char *name = mbedtls_ssl_get_alpn_protocol(ssl);
        return name == NULL ? "" : name;
    }
    return NULL;
}
