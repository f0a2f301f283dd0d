#include "lib/traffic.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/buffer.h"
#include "lib/file.h"

#define IO_LIMIT_BYTES 4096

struct traffic traffic_now(void)
{
    struct traffic now = {0};
    struct buffer text = {0};
    struct error ignored;
    if (file_read(AT_FDCWD, "/proc/self/io", IO_LIMIT_BYTES, &text, &ignored) == 0 &&
        sscanf(buffer_text(&text), "rchar: %" SCNu64 " wchar: %" SCNu64, &now.read_bytes, &now.written_bytes) == 2) {
        now.known = true;
    } else {
        now = (struct traffic){0};
    }
    buffer_free(&text);
    return now;
}

struct traffic traffic_since(const struct traffic *then)
{
    struct traffic now = traffic_now();
    if (!now.known || !then->known) {
        return (struct traffic){0};
    }
    now.read_bytes -= then->read_bytes;
    now.written_bytes -= then->written_bytes;
    return now;
}
