#include "target/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool http_header(const struct http_response *response, const char *name, struct buffer *value)
{
    size_t length = strlen(name);
    for (const char *line = buffer_text(&response->headers); *line != '\0';) {
        size_t size = strcspn(line, "\r\n");
        if (size > length && line[length] == ':' && strncasecmp(line, name, length) == 0) {
            const char *begin = line + length + 1;
            const char *end = line + size;
            while (begin < end && (*begin == ' ' || *begin == '\t')) {
                begin++;
            }
            while (end > begin && (end[-1] == ' ' || end[-1] == '\t')) {
                end--;
            }
            buffer_append(value, begin, (size_t)(end - begin));
            return true;
        }
        line += size;
        line += strspn(line, "\r\n");
    }
    return false;
}

/* Takes the chunks of a chunked body; false where it is malformed or cut short. */
static bool unchunk(const char *at, const char *end, struct buffer *body)
{
    for (;;) {
        char *digits_end = NULL;
        if (at >= end) {
            return false;
        }
        unsigned long size = strtoul(at, &digits_end, 16);
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (digits_end == at || line_end == NULL) {
            return false;
        }
        at = line_end + 1;
        if (size == 0) {
            return true;
        }
        if (size > (size_t)(end - at)) {
            return false;
        }
        buffer_append(body, at, size);
        at += size;
        at += at < end && *at == '\r';
        at += at < end && *at == '\n';
    }
}

static int bad_answer(const char *url, const char *what, struct error *error)
{
    return error_set(error, CSN_TARGET_HTTP, "%s gave no valid answer: %s", url, what);
}

int http_parse_answer(const char *url, const struct buffer *raw, struct http_response *response, struct error *error)
{
    const char *text = buffer_text(raw);
    const char *end = text + raw->size;
    if (raw->size == 0) {
        return bad_answer(url, "it closed the connection", error);
    }
    const char *line_end = memchr(text, '\n', raw->size);
    int minor = 0;
    if (line_end == NULL || sscanf(text, "HTTP/1.%1d %3d", &minor, &response->status) != 2 || response->status < 100) {
        return bad_answer(url, "it does not speak HTTP", error);
    }
    const char *headers = line_end + 1;
    const char *body = memmem(headers - 1, (size_t)(end - headers) + 1, "\n\r\n", 3);
    size_t gap = 3;
    if (body == NULL) {
        body = memmem(headers - 1, (size_t)(end - headers) + 1, "\n\n", 2);
        gap = 2;
    }
    if (body == NULL || (size_t)(body - text) > HTTP_HEADERS_LIMIT ||
        memchr(text, '\0', (size_t)(body - text)) != NULL) {
        return bad_answer(url, "its headers have no end", error);
    }
    buffer_append(&response->headers, headers, body + 1 > headers ? (size_t)(body + 1 - headers) : 0);
    body += gap;
    response->truncated = raw->size >= HTTP_RAW_LIMIT || (size_t)(end - body) > HTTP_BODY_LIMIT;
    struct buffer value = {0};
    int result = 0;
    if (http_header(response, "Transfer-Encoding", &value) && strcasestr(buffer_text(&value), "chunked") != NULL) {
        if (!unchunk(body, end, &response->body) && !response->truncated) {
            result = bad_answer(url, "its body ends too early", error);
        }
    } else {
        size_t size = (size_t)(end - body);
        buffer_append(&response->body, body, size > HTTP_BODY_LIMIT ? HTTP_BODY_LIMIT : size);
        buffer_clear(&value);
        if (http_header(response, "Content-Length", &value) && !response->truncated &&
            strtoull(buffer_text(&value), NULL, 10) > size && response->status != 304) {
            result = bad_answer(url, "its body ends too early", error);
        }
    }
    buffer_free(&value);
    if (result == 0 && (buffer_check(&response->headers, error) != 0 || buffer_check(&response->body, error) != 0)) {
        return -1;
    }
    return result;
}
