/*
 * http.h - a tiny HTTP/1.0 client for health and smoke checks inside a view: GET, plain text, IPv4 loopback.
 *
 * The socket is made in the view's network, so nothing outside is ever reached. No TLS, no cookies, no proxy.
 */
#ifndef CAISSON_TARGET_HTTP_H
#define CAISSON_TARGET_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "target/view.h"

#define HTTP_BODY_LIMIT ((size_t)8 << 20)

struct http_request {
    const char *url;        /* http://127.0.0.1:PORT/path (or localhost, or another IPv4 address of the view) */
    const char *host;       /* the Host header; NULL: from the url */
    const char *user_agent; /* NULL: "caisson" */
    int timeout_sec;        /* for the whole exchange, redirects included; 0: 30 */
    int redirects;          /* how many redirects to the same server are followed; 0: none */
};

struct http_response {
    int status;            /* 200 */
    struct buffer headers; /* as they came, without the status line */
    struct buffer body;    /* decoded if it was chunked */
    bool truncated;        /* the body was longer than HTTP_BODY_LIMIT */
    int64_t milliseconds;  /* from connecting to the last byte */
};

/* view NULL: our own network (tests). Any status is success; CSN_TARGET_HTTP when there is no valid answer,
 * CSN_TIMEOUT when it takes too long, CSN_TARGET_PROFILE for a url that cannot be understood. */
int http_get(const struct view *view, const struct http_request *request, struct http_response *response,
             struct error *error) MUST_CHECK;
void http_response_free(struct http_response *response);

/* The value of a header (any case) without blanks around, appended to *value; false where there is none. */
bool http_header(const struct http_response *response, const char *name, struct buffer *value);

struct http_check {
    struct http_request request;
    int status;          /* that must come; 0: any of 200-299 */
    const char *pattern; /* POSIX extended regular expression that the body must match; NULL: any body */
};

/* One request and its judgement: CSN_TARGET_HTTP says what came instead. response (may be NULL) is filled where one came;
 * the caller frees it in any case. */
int http_check(const struct view *view, const struct http_check *check, struct http_response *response,
               struct error *error) MUST_CHECK;

/* Repeats http_check until it succeeds or total_sec are over (then the last error). Gives up at once when program (may be
 * NULL) no longer runs. *waited_ms (may be NULL) is how long it took. */
int http_wait_ready(const struct view *view, const struct http_check *check, struct view_program *program,
                    int total_sec, int64_t *waited_ms, struct error *error) MUST_CHECK;

#endif
