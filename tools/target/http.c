#include "target/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "target/http_internal.h"

struct address {
    struct sockaddr_in socket;
    char host[128]; /* with the port, as in the url */
    const char *path;
};

static int bad_url(const char *url, struct error *error)
{
    return error_set(error, CSN_TARGET_PROFILE, "%s is not http://ADDRESS:PORT/PATH with an IPv4 address or localhost",
                     url);
}

static int parse_url(const char *url, struct address *address, struct error *error)
{
    char name[128];
    const char *at = url + 7;
    unsigned long port = 80;
    *address = (struct address){.socket.sin_family = AF_INET, .path = "/"};
    if (strncmp(url, "http://", 7) != 0) {
        return bad_url(url, error);
    }
    size_t length = strcspn(at, "/?#");
    if (length == 0 || length >= sizeof name || strpbrk(url, " \t\r\n") != NULL) {
        return bad_url(url, error);
    }
    memcpy(name, at, length);
    name[length] = '\0';
    memcpy(address->host, name, length + 1);
    address->path = at[length] == '/' ? at + length : "/";
    char *colon = strchr(name, ':');
    if (colon != NULL) {
        char *end = NULL;
        *colon = '\0';
        port = strtoul(colon + 1, &end, 10);
        if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port == 0 || port > 65535) {
            return bad_url(url, error);
        }
    }
    address->socket.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, strcmp(name, "localhost") == 0 ? "127.0.0.1" : name, &address->socket.sin_addr) != 1) {
        return bad_url(url, error);
    }
    return 0;
}

/* Waits for events until end_ms. */
static int wait_for(int fd, short events, int64_t end_ms, const char *url, struct error *error)
{
    for (;;) {
        int64_t left_ms = end_ms - clock_monotonic_ms();
        struct pollfd poll_fd = {.fd = fd, .events = events};
        int ready = left_ms <= 0 ? 0 : poll(&poll_fd, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (ready > 0) {
            return 0;
        }
        if (ready < 0 && errno != EINTR) {
            return error_system(error, CSN_TARGET_HTTP, "waiting for %s", url);
        }
        if (ready == 0 && clock_monotonic_ms() >= end_ms) {
            return error_set(error, CSN_TIMEOUT, "%s did not answer in time", url);
        }
    }
}

static int connect_to(const struct view *view, const struct address *address, int64_t end_ms, const char *url,
                      struct error *error)
{
    int number = 0;
    socklen_t size = sizeof number;
    int fd = view == NULL ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
                          : view_socket(view, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, error);
    if (fd < 0) {
        return view == NULL ? error_system(error, CSN_TARGET_HTTP, "making a socket for %s", url) : -1;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        error_system(error, CSN_TARGET_HTTP, "preparing a socket for %s", url);
        goto out;
    }
    if (connect(fd, (const struct sockaddr *)&address->socket, sizeof address->socket) != 0) {
        if (errno != EINPROGRESS) {
            error_system(error, CSN_TARGET_HTTP, "connecting to %s", url);
            goto out;
        }
        if (wait_for(fd, POLLOUT, end_ms, url, error) != 0) {
            goto out;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0 || number != 0) {
            errno = number;
            error_system(error, CSN_TARGET_HTTP, "connecting to %s", url);
            goto out;
        }
    }
    return fd;
out:
    file_drop(&fd);
    return -1;
}

static int send_request(int fd, const struct http_request *request, const struct address *address, int64_t end_ms,
                        struct error *error)
{
    struct buffer text = {0};
    int result = -1;
    buffer_format(&text, "GET %.*s HTTP/1.0\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                  (int)strcspn(address->path, "#"), address->path,
                  request->host == NULL ? address->host : request->host,
                  request->user_agent == NULL ? "caisson" : request->user_agent);
    if (buffer_check(&text, error) != 0) {
        goto out;
    }
    for (size_t sent = 0; sent < text.size;) {
        ssize_t put = send(fd, buffer_text(&text) + sent, text.size - sent, MSG_NOSIGNAL);
        if (put > 0) {
            sent += (size_t)put;
        } else if (put < 0 && errno != EAGAIN && errno != EINTR) {
            error_system(error, CSN_TARGET_HTTP, "asking %s", request->url);
            goto out;
        } else if (wait_for(fd, POLLOUT, end_ms, request->url, error) != 0) {
            goto out;
        }
    }
    result = 0;
out:
    buffer_free(&text);
    return result;
}

/* All that comes, up to the limit. */
static int read_answer(int fd, const char *url, int64_t end_ms, struct buffer *raw, struct error *error)
{
    while (raw->size < HTTP_RAW_LIMIT) {
        char *room = buffer_reserve(raw, 65536);
        if (room == NULL) {
            return buffer_check(raw, error);
        }
        ssize_t got = recv(fd, room, 65536, 0);
        if (got > 0) {
            raw->size += (size_t)got;
        } else if (got == 0) {
            break;
        } else if (errno == ECONNRESET && raw->size > 0) {
            break; /* some servers end so; the length tells whether all was there */
        } else if (errno != EAGAIN && errno != EINTR) {
            return error_system(error, CSN_TARGET_HTTP, "reading the answer of %s", url);
        } else if (wait_for(fd, POLLIN, end_ms, url, error) != 0) {
            return -1;
        }
    }
    buffer_append(raw, "", 0);
    return buffer_check(raw, error);
}

static int exchange(const struct view *view, const struct http_request *request, int64_t end_ms,
                    struct http_response *response, struct error *error)
{
    struct address address;
    struct buffer raw = {0};
    int result = -1;
    if (parse_url(request->url, &address, error) != 0) {
        return -1;
    }
    int fd = connect_to(view, &address, end_ms, request->url, error);
    if (fd < 0) {
        return -1;
    }
    if (send_request(fd, request, &address, end_ms, error) == 0 &&
        read_answer(fd, request->url, end_ms, &raw, error) == 0) {
        result = http_parse_answer(request->url, &raw, response, error);
    }
    file_drop(&fd);
    buffer_free(&raw);
    return result;
}

/* Where a redirect leads, if that is on the same server: appended to *url. */
static bool find_redirect(const struct http_request *request, const struct http_response *response, struct buffer *url)
{
    struct address here;
    struct buffer value = {0};
    bool found = false;
    bool asks = response->status == 301 || response->status == 302 || response->status == 303 ||
                response->status == 307 || response->status == 308;
    if (!asks || parse_url(request->url, &here, NULL) != 0 || !http_header(response, "Location", &value)) {
        buffer_free(&value);
        return false;
    }
    const char *location = buffer_text(&value);
    const char *host = request->host == NULL ? here.host : request->host;
    if (strncmp(location, "http://", 7) == 0) {
        size_t length = strcspn(location + 7, "/?#");
        bool same = (length == strlen(host) && strncmp(location + 7, host, length) == 0) ||
                    (length == strlen(here.host) && strncmp(location + 7, here.host, length) == 0);
        location = same ? location + 7 + length : "";
        location = same && *location == '\0' ? "/" : location;
    }
    if (location[0] == '/' && location[1] != '/') {
        buffer_format(url, "http://%s%s", here.host, location);
        found = buffer_check(url, NULL) == 0;
    }
    buffer_free(&value);
    return found;
}

int http_get(const struct view *view, const struct http_request *request, struct http_response *response,
             struct error *error)
{
    int64_t begin_ms = clock_monotonic_ms();
    int64_t end_ms = begin_ms + (int64_t)(request->timeout_sec > 0 ? request->timeout_sec : 30) * 1000;
    struct http_request next = *request;
    struct buffer url = {0};
    int result;
    *response = (struct http_response){0};
    for (int left = request->redirects;; left--) {
        struct buffer target = {0};
        result = exchange(view, &next, end_ms, response, error);
        if (result != 0 || left <= 0 || !find_redirect(&next, response, &target)) {
            buffer_free(&target);
            break;
        }
        http_response_free(response);
        buffer_free(&url);
        url = target;
        next.url = url.data;
    }
    response->milliseconds = clock_monotonic_ms() - begin_ms;
    buffer_free(&url);
    if (result != 0) {
        http_response_free(response);
    }
    return result;
}

void http_response_free(struct http_response *response)
{
    buffer_free(&response->headers);
    buffer_free(&response->body);
    *response = (struct http_response){0};
}
