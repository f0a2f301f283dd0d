#include "repository/backup_session.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/text.h"
#include "lib/version.h"
#include "repository/backup_check.h"
#include "repository/snapshot.h"

int backup_session_open(struct backup_session *session, struct repository *repository,
                        const struct repository_backup_options *options, const struct strings *names,
                        struct error *error)
{
    char now[CLOCK_TEXT_SIZE];
    char reader[AGE_RECIPIENT_TEXT_SIZE];
    *session = (struct backup_session){.repository = repository};
    if (repository->mode != REPOSITORY_WRITE || repository->spent) {
        return error_set(error, CSN_INTERNAL, "the repository is not open for writing");
    }
    if (options->host != NULL) {
        snprintf(session->host, sizeof session->host, "%s", options->host);
    } else {
        (void)gethostname(session->host, sizeof session->host - 1);
    }
    clock_text(now);
    struct snapshot_header header = {
        .time = now,
        .began_sec = clock_unix_sec(),
        .host = session->host,
        .label = options->label == NULL ? "" : options->label,
        .tool = "caisson " CAISSON_VERSION,
        .sources = names,
        .excludes = options->excludes,
        .tags = options->tags,
        .tag_count = options->tag_count,
        .reader = repository_own_recipient(repository, reader),
    };
    if (backup_check_text("host name", session->host, error) != 0 || backup_check_options(options, error) != 0) {
        return -1;
    }
    const struct repository_config *config = &repository->config;
    if (!chunker_init(&session->file.chunker, &config->sizes, config->seed)) {
        return error_set(error, CSN_INTERNAL, "the sizes of chunks make no sense");
    }
    session->store = store_new(repository, options->workers, error);
    if (session->store == NULL) {
        return -1;
    }
    session->snapshot = snapshot_writer_new(&repository->snapshots_folder, &header, error);
    session->queue = (struct backup_queue){.store = session->store};
    return session->snapshot == NULL ? -1 : 0;
}

void backup_session_begin(struct backup_session *session)
{
    session->repository->spent = true;
}

int backup_session_commit(struct backup_session *session, struct repository_backup_summary *summary,
                          struct error *error)
{
    struct snapshot_totals totals;
    struct store_counts counts;
    uint8_t id[SHA256_SIZE];
    uint64_t snapshot_bytes = 0;
    snapshot_writer_totals(session->snapshot, &totals);
    if (store_finish(session->store, error) != 0 ||
        snapshot_writer_commit(session->snapshot, id, &snapshot_bytes, error) != 0) {
        return -1;
    }
    hex_encode(id, SHA256_SIZE, summary->id);
    summary->entries = totals.entries;
    summary->files = totals.files;
    summary->bytes = totals.bytes;
    summary->bytes_read = session->file.read_bytes;
    store_counts(session->store, &counts);
    summary->bytes_stored = counts.stored_bytes + snapshot_bytes;
    summary->chunks = session->queue.chunks;
    summary->chunks_new = counts.chunks_new;
    session->repository->spent = false;
    return 0;
}

void backup_session_close(struct backup_session *session)
{
    store_free(session->store);
    backup_queue_free(&session->queue);
    snapshot_writer_free(session->snapshot);
    *session = (struct backup_session){0};
}
