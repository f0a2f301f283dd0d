#include "repository/repack.h"

#include <stdlib.h>

struct copy {
    struct stored_reader file;
    struct pack_index index;
    struct pack_decoder *decoder;
    struct pack_writer *writer;
    uint8_t *frame;
    char name[PACK_NAME_SIZE];
};

static int copy_frame(struct copy *copy, struct pack_record *record, struct error *error)
{
    uint32_t offset = record->offset;
    if (stored_read(&copy->file, copy->name, offset, copy->frame, record->stored_bytes, error) != 0) {
        return -1;
    }
    if (pack_decode(copy->decoder, record, copy->frame, true, error) == NULL) {
        return error_wrap(error, REPOSITORY_PACKS "/%s at %u", copy->name, offset);
    }
    return pack_writer_add(copy->writer, record, copy->frame, error);
}

static int copy_frames(struct copy *copy, const uint8_t *kept, struct error *error)
{
    struct pack_record record = {0};
    uint32_t position = 0;
    for (uint32_t i = 0; pack_index_next(&copy->index, &position, &record); i++) {
        struct pack_record moved = record;
        if (kept[i] != 0 && copy_frame(copy, &moved, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int open_copy(struct copy *copy, struct repository *repository, const uint8_t id[SHA256_SIZE],
                     const struct stored_folder *folder, struct error *error)
{
    copy->frame = malloc(CHUNK_STORED_LIMIT_BYTES);
    if (copy->frame == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for writing a pack anew");
    }
    copy->decoder = pack_decoder_new(error);
    copy->writer = copy->decoder == NULL ? NULL : pack_writer_new(PACK_CHUNKS, folder, error);
    return copy->writer == NULL || stored_open(&copy->file, &repository->packs_folder, copy->name, error) != 0 ||
                   pack_index_read(&copy->index, &copy->file, PACK_CHUNKS, id, copy->name, error) != 0
               ? -1
               : 0;
}

int repack(struct repository *repository, uint32_t pack, const uint8_t *kept, const struct stored_seal *seal,
           uint64_t *stored_bytes, struct error *error)
{
    const struct stored_folder folder = {.fd = repository->packs_folder.fd, .seal = seal};
    const uint8_t *id = repository->packs[pack];
    struct copy copy = {.file = {.fd = -1}};
    uint8_t new_id[SHA256_SIZE];
    pack_name(PACK_CHUNKS, id, repository_is_sealed(repository), copy.name);
    int result = open_copy(&copy, repository, id, &folder, error) != 0 ? -1 : copy_frames(&copy, kept, error);
    if (result == 0 && !pack_writer_is_empty(copy.writer)) {
        result = pack_writer_commit(copy.writer, new_id, stored_bytes, error);
    }
    pack_writer_free(copy.writer);
    pack_decoder_free(copy.decoder);
    pack_index_free(&copy.index);
    stored_close(&copy.file);
    free(copy.frame);
    return result;
}
