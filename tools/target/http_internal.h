/*
 * http_internal.h - reading an answer, apart from the socket it came from: for http.c, its test and its fuzzer.
 */
#ifndef CAISSON_TARGET_HTTP_INTERNAL_H
#define CAISSON_TARGET_HTTP_INTERNAL_H

#include "target/http.h"

#define HTTP_HEADERS_LIMIT ((size_t)64 << 10)
#define HTTP_RAW_LIMIT (HTTP_BODY_LIMIT + HTTP_HEADERS_LIMIT + 65536)

/* Splits all that a server sent into status, headers and body. CSN_TARGET_HTTP where it is no complete answer. *response
 * may be half filled then; the caller frees it. */
int http_parse_answer(const char *url, const struct buffer *raw, struct http_response *response, struct error *error)
    MUST_CHECK;

#endif
