#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "target/http.h"
#include "target/http_internal.h"
#include "target/room.h"

static struct error error;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

/* A server that gives each of `count` connections the same bytes after reading a request, and keeps the last request. */
struct fake {
    pid_t pid;
    char url[64];
    int request_fd;
};

static struct fake serve(const char *answer, size_t size, int count, unsigned delay_ms)
{
    struct fake fake = {0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int requests[2];
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 5), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(pipe(requests), 0);
    snprintf(fake.url, sizeof fake.url, "http://127.0.0.1:%d/page?x=1", ntohs(address.sin_port));
    fake.pid = fork();
    if (fake.pid == 0) {
        for (int i = 0; i < count; i++) {
            char request[4096];
            int fd = accept(listener, NULL, NULL);
            ssize_t got = read(fd, request, sizeof request);
            usleep(delay_ms * 1000);
            if (got < 0 || write(requests[1], request, (size_t)got) != got ||
                send(fd, answer, size, MSG_NOSIGNAL) < 0) {
                _exit(1);
            }
            close(fd);
        }
        _exit(0);
    }
    close(listener);
    close(requests[1]);
    fake.request_fd = requests[0];
    return fake;
}

static void end_server(struct fake *fake)
{
    kill(fake->pid, SIGKILL);
    waitpid(fake->pid, NULL, 0);
    close(fake->request_fd);
}

static void test_get(void **state)
{
    (void)state;
    static const char answer[] =
        "HTTP/1.1 404 Not Found\r\nContent-Type:  text/html \r\nX-Odd:\r\n\r\n<h1>gone\0away</h1>";
    struct fake fake = serve(answer, sizeof answer - 1, 1, 0);
    struct http_request request = {.url = fake.url, .host = "wiki.example.org"};
    struct http_response response;
    struct buffer value = {0};
    char text[4096];
    ASSERT_DONE(http_get(NULL, &request, &response, &error));
    assert_int_equal(response.status, 404);
    assert_int_equal(response.body.size, 18);
    assert_memory_equal(response.body.data, "<h1>gone\0away</h1>", 18);
    assert_true(http_header(&response, "content-type", &value));
    assert_string_equal(buffer_text(&value), "text/html");
    assert_false(http_header(&response, "Content", &value));
    assert_true(response.milliseconds >= 0);
    ssize_t got = read(fake.request_fd, text, sizeof text - 1);
    assert_true(got > 0);
    text[got] = '\0';
    assert_string_equal(text, "GET /page?x=1 HTTP/1.0\r\nHost: wiki.example.org\r\nUser-Agent: caisson\r\nAccept: "
                              "*/*\r\nConnection: close\r\n\r\n");
    buffer_free(&value);
    http_response_free(&response);
    end_server(&fake);
}

static int parse(const char *text, struct http_response *response)
{
    struct buffer raw = {0};
    *response = (struct http_response){0};
    buffer_string(&raw, text);
    int result = http_parse_answer("u", &raw, response, &error);
    buffer_free(&raw);
    return result;
}

static void test_answers(void **state)
{
    (void)state;
    struct http_response response;
    ASSERT_DONE(parse("HTTP/1.0 200 OK\r\n\r\n", &response));
    assert_int_equal(response.body.size, 0);
    http_response_free(&response);
    ASSERT_DONE(parse("HTTP/1.0 200\nA: b\n\nbody", &response));
    assert_string_equal(buffer_text(&response.body), "body");
    http_response_free(&response);
    ASSERT_DONE(parse(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n", &response));
    assert_string_equal(buffer_text(&response.body), "hello, world");
    http_response_free(&response);

    static const char *const bad[] = {
        "",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(bad[i], &response) != -1 || error.code != CSN_TARGET_HTTP) {
            fail_msg("taken: %s", bad[i]);
        }
        http_response_free(&response);
    }
}

static void test_large_body_is_cut(void **state)
{
    (void)state;
    struct buffer answer = {0};
    struct http_response response;
    buffer_string(&answer, "HTTP/1.0 200 OK\r\n\r\n");
    char *room = buffer_reserve(&answer, HTTP_BODY_LIMIT + 1000);
    assert_non_null(room);
    memset(room, 'x', HTTP_BODY_LIMIT + 1000);
    answer.size += HTTP_BODY_LIMIT + 1000;
    struct fake fake = serve(answer.data, answer.size, 1, 0);
    struct http_request request = {.url = fake.url};
    ASSERT_DONE(http_get(NULL, &request, &response, &error));
    assert_true(response.truncated);
    assert_int_equal(response.body.size, HTTP_BODY_LIMIT);
    http_response_free(&response);
    buffer_free(&answer);
    end_server(&fake);
}

static void test_bad_urls(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "https://127.0.0.1/",
        "ftp://127.0.0.1/",
        "127.0.0.1",
        "http://",
        "http:///x",
        "http://example.org/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:8x/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nX: y",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct http_request request = {.url = urls[i]};
        struct http_response response;
        if (http_get(NULL, &request, &response, &error) != -1 || error.code != CSN_TARGET_PROFILE) {
            fail_msg("taken: %s", urls[i]);
        }
    }
}

static void test_nobody_answers(void **state)
{
    (void)state;
    struct fake fake = serve("", 0, 0, 0);
    int status = 0;
    assert_int_equal(waitpid(fake.pid, &status, 0), fake.pid);
    struct http_request request = {.url = fake.url};
    struct http_response response;
    assert_int_equal(http_get(NULL, &request, &response, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_HTTP);
    assert_non_null(strstr(error.message, fake.url));
    assert_non_null(strstr(error.message, "refused"));
    close(fake.request_fd);

    fake = serve("HTTP/1.0 200 OK\r\n\r\n", 19, 1, 5000);
    request = (struct http_request){.url = fake.url, .timeout_sec = 1};
    int64_t begin_ms = clock_monotonic_ms();
    assert_int_equal(http_get(NULL, &request, &response, &error), -1);
    assert_int_equal(error.code, CSN_TIMEOUT);
    assert_true(clock_monotonic_ms() - begin_ms < 4000);
    end_server(&fake);
}

static void test_check(void **state)
{
    (void)state;
    static const char answer[] = "HTTP/1.0 200 OK\r\n\r\n<title>Main Page</title>\nMediaWiki 1.43.9\n";
    struct fake fake = serve(answer, sizeof answer - 1, 5, 0);
    struct http_check check = {.request.url = fake.url, .pattern = "^MediaWiki 1\\.4[0-9]"};
    struct http_response response = {0};
    ASSERT_DONE(http_check(NULL, &check, &response, &error));
    assert_int_equal(response.status, 200);
    http_response_free(&response);
    check.pattern = "MediaWiki 1\\.39";
    assert_int_equal(http_check(NULL, &check, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_HTTP);
    assert_non_null(strstr(error.message, "MediaWiki 1\\.39"));
    check = (struct http_check){.request.url = fake.url, .status = 302};
    assert_int_equal(http_check(NULL, &check, NULL, &error), -1);
    assert_non_null(strstr(error.message, "answered 200, not 302"));
    check = (struct http_check){.request.url = fake.url, .pattern = "a(b"};
    assert_int_equal(http_check(NULL, &check, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROFILE);
    end_server(&fake);
}

static void test_redirects(void **state)
{
    (void)state;
    static const char round[] = "HTTP/1.0 301 Moved\r\nLocation: /elsewhere\r\n\r\n";
    static const char away[] = "HTTP/1.0 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n";
    struct fake fake = serve(round, sizeof round - 1, 3, 0);
    struct http_request request = {.url = fake.url, .redirects = 2};
    struct http_response response;
    char text[4096];
    ASSERT_DONE(http_get(NULL, &request, &response, &error));
    assert_int_equal(response.status, 301);
    ssize_t got = read(fake.request_fd, text, sizeof text - 1);
    assert_true(got > 0);
    text[got] = '\0';
    assert_non_null(strstr(text, "GET /page?x=1 "));
    assert_non_null(strstr(text, "GET /elsewhere "));
    http_response_free(&response);
    end_server(&fake);
    fake = serve(away, sizeof away - 1, 1, 0);
    request = (struct http_request){.url = fake.url, .redirects = 2, .timeout_sec = 2};
    ASSERT_DONE(http_get(NULL, &request, &response, &error));
    assert_int_equal(response.status, 302); /* another server is not followed */
    http_response_free(&response);
    end_server(&fake);
}

static void test_wait_ready_gives_up(void **state)
{
    (void)state;
    struct http_check check = {.request.url = "http://127.0.0.1:9/"};
    int64_t waited_ms = 0;
    assert_int_equal(http_wait_ready(NULL, &check, NULL, 1, &waited_ms, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_HTTP);
    assert_true(waited_ms >= 500 && waited_ms < 5000);
}

/* Inside a view: its loopback is not ours. */
static void test_in_view(void **state)
{
    (void)state;
    char *server = room_server();
    struct view_layout layout = {.root_path = server, .binds = &room_usr, .bind_count = 1};
    struct view *view = NULL;
    struct view_program *program = NULL;
    static const char script[] =
        "use IO::Socket::INET; sleep 1; my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 80, "
        "Listen => 5) "
        "or die; while (my $c = $s->accept) { while (<$c>) { last if /^\\r?\\n$/ } open my $f, '<', 'hostname';"
        "print $c \"HTTP/1.0 200 OK\\r\\n\\r\\n\", <$f>; close $c }";
    static const char *const argv[] = {"perl", "-e", script, NULL};
    struct view_command command = {.argv = argv, .user = "nobody", .folder = "/etc"};
    struct http_check check = {.request.url = "http://localhost/hostname", .pattern = "^old-server$"};
    int64_t waited_ms = 0;
    ASSERT_DONE(view_open(&layout, &view, &error));
    ASSERT_DONE(view_start(view, &command, 0, &program, &error));
    ASSERT_DONE(http_wait_ready(view, &check, program, 30, &waited_ms, &error));
    assert_true(waited_ms >= 900);
    assert_int_equal(http_check(NULL, &check, NULL, &error), -1); /* not from outside */
    ASSERT_DONE(view_stop(program, 5, &error));
    assert_int_equal(http_wait_ready(view, &check, NULL, 1, NULL, &error), -1);

    static const char *const failing[] = {"false", NULL};
    command = (struct view_command){.argv = failing};
    ASSERT_DONE(view_start(view, &command, 0, &program, &error));
    int64_t begin_ms = clock_monotonic_ms();
    assert_int_equal(http_wait_ready(view, &check, program, 60, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_HTTP);
    assert_non_null(strstr(error.message, "ended before"));
    assert_true(clock_monotonic_ms() - begin_ms < 30000);
    ASSERT_DONE(view_stop(program, 0, &error));
    ASSERT_DONE(view_close(view, &error));
    room_remove(server);
}

int main(int argc, char **argv)
{
    (void)argc;
    room_need_root(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_large_body_is_cut),
        cmocka_unit_test(test_bad_urls),
        cmocka_unit_test(test_nobody_answers),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_wait_ready_gives_up),
        cmocka_unit_test(test_in_view),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
