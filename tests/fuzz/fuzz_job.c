/*
 * fuzz_job.c - what a stick makes of us: the first byte says whether the rest is a job ('j') or a journal ('r').
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/journal.h"
#include "lib/file.h"
#include "sequence/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_job(const uint8_t *data, size_t size)
{
    struct job job;
    struct error error;
    char *text = strndup((const char *)data, size);
    if (text == NULL) {
        abort();
    }
    if (job_parse(&job, "fuzz.job", text, "/stick", &error) == 0) {
        (void)!job_check(&job, "run", &error);
        (void)job_answer(&job, "/opt/app/x");
        job_free(&job);
    }
    free(text);
}

static void fuzz_journal(const uint8_t *data, size_t size)
{
    static int folder_fd = -1;
    const char *folder = getenv("FUZZ_FOLDER");
    struct journal journal;
    struct error error;
    if (folder_fd < 0 && (folder == NULL || (folder_fd = open(folder, O_RDONLY | O_DIRECTORY)) < 0)) {
        abort();
    }
    int fd = openat(folder_fd, JOURNAL_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    close(fd);
    journal_init(&journal);
    (void)!journal_read(&journal, folder_fd, JOURNAL_FILE, &error);
    journal_free(&journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0]) {
    case 'j': fuzz_job(data + 1, size - 1); break;
    case 'r': fuzz_journal(data + 1, size - 1); break;
    default: break;
    }
    return 0;
}
