#include "repository/config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <yyjson.h>

#include "age/writer.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"

#define CONFIG_LIMIT_BYTES 65536u

static int write_pages(int folder_fd, struct error *error)
{
    for (size_t i = 0; i < CONFIG_PAGES; i++) {
        const struct config_page *page = &config_pages[i];
        if (file_replace(folder_fd, page->name, page->text, strlen(page->text), page->mode, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static bool add_pages(yyjson_mut_doc *document, yyjson_mut_val *object)
{
    yyjson_mut_val *pages = yyjson_mut_obj_add_obj(document, object, "pages");
    bool good = pages != NULL;
    for (size_t i = 0; good && i < CONFIG_PAGES; i++) {
        uint8_t digest[SHA256_SIZE];
        char hex[SHA256_HEX_SIZE];
        sha256_of(config_pages[i].text, strlen(config_pages[i].text), digest);
        hex_encode(digest, SHA256_SIZE, hex);
        good = yyjson_mut_obj_add_strcpy(document, pages, config_pages[i].name, hex);
    }
    return good;
}

static bool add_sizes(yyjson_mut_doc *document, yyjson_mut_val *object)
{
    yyjson_mut_val *sizes = yyjson_mut_obj_add_obj(document, object, "chunks");
    return sizes != NULL && yyjson_mut_obj_add_uint(document, sizes, "minimum", chunker_default_sizes.minimum_bytes) &&
           yyjson_mut_obj_add_uint(document, sizes, "average", chunker_default_sizes.average_bytes) &&
           yyjson_mut_obj_add_uint(document, sizes, "maximum", chunker_default_sizes.maximum_bytes) &&
           yyjson_mut_obj_add_uint(document, sizes, "seed", 0);
}

static bool add_recipients(yyjson_mut_doc *document, yyjson_mut_val *object, const struct repository_config *config)
{
    if (config->recipient_count == 0) {
        return true;
    }
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "recipients");
    bool good = list != NULL && yyjson_mut_obj_add_bool(document, object, "passphrase", config->has_passphrase);
    if (good && config->has_passphrase) {
        char hex[SHA256_HEX_SIZE];
        hex_encode(config->key_hash, SHA256_SIZE, hex);
        good = yyjson_mut_obj_add_strcpy(document, object, "key", hex);
    }
    for (size_t i = 0; good && i < config->recipient_count; i++) {
        char text[AGE_RECIPIENT_TEXT_SIZE];
        age_recipient_print(&config->recipients[i], text);
        good = yyjson_mut_arr_add_strcpy(document, list, text);
    }
    return good;
}

/* The line, and a second one with its hash: a flipped bit in it must not go unseen. */
static int make_text(const struct repository_config *config, struct buffer *text, struct error *error)
{
    uint8_t random[16];
    uint8_t digest[SHA256_SIZE];
    char id[2 * sizeof random + 1];
    char now[CLOCK_TEXT_SIZE];
    char hex[SHA256_HEX_SIZE];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return error_system(error, CSN_IO, "getting random bytes for a repository");
    }
    hex_encode(random, sizeof random, id);
    clock_text(now);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    bool good = object != NULL && yyjson_mut_obj_add_str(document, object, "format", "caisson-repository") &&
                yyjson_mut_obj_add_int(document, object, "version", CONFIG_VERSION) &&
                yyjson_mut_obj_add_str(document, object, "id", id) &&
                yyjson_mut_obj_add_str(document, object, "created", now) && add_sizes(document, object) &&
                add_recipients(document, object, config) && add_pages(document, object);
    int result =
        good ? json_append_line(text, document, error) : error_set(error, CSN_MEMORY, "no memory for " CONFIG_FILE);
    yyjson_mut_doc_free(document);
    if (result != 0) {
        return -1;
    }
    sha256_of(text->data, text->size, digest);
    hex_encode(digest, SHA256_SIZE, hex);
    buffer_format(text, "\n{\"sha256\":\"%s\"}\n", hex);
    return buffer_check(text, error);
}

int config_write(const struct repository_config *config, int folder_fd, struct error *error)
{
    struct buffer text = {0};
    int result = -1;
    if (write_pages(folder_fd, error) == 0 && make_text(config, &text, error) == 0) {
        result = file_replace(folder_fd, CONFIG_COPY, text.data, text.size, 0600, error) != 0
                     ? -1
                     : file_replace(folder_fd, CONFIG_FILE, text.data, text.size, 0600, error);
    }
    buffer_free(&text);
    if (result != 0 && error != NULL && error->code == CSN_NO_SPACE) {
        error->code = CSN_REPOSITORY_FULL;
    }
    return result;
}

/* --- reading --- */

static bool hash_holds(const struct buffer *text, size_t *line_size)
{
    static const char before[] = "\n{\"sha256\":\"";
    static const char after[] = "\"}\n";
    size_t tail = strlen(before) + SHA256_HEX_SIZE - 1 + strlen(after);
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    if (text->size <= tail) {
        return false;
    }
    const char *at = text->data + text->size - tail;
    *line_size = text->size - tail;
    sha256_of(text->data, *line_size, digest);
    hex_encode(digest, SHA256_SIZE, hex);
    return memcmp(at, before, strlen(before)) == 0 && memcmp(at + strlen(before), hex, strlen(hex)) == 0 &&
           memcmp(at + strlen(before) + strlen(hex), after, strlen(after)) == 0;
}

static bool get32(yyjson_val *object, const char *key, uint32_t *number)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    *number = (uint32_t)yyjson_get_uint(value);
    return yyjson_is_uint(value) && yyjson_get_uint(value) <= UINT32_MAX;
}

static bool get_recipients(struct repository_config *config, yyjson_val *line)
{
    yyjson_val *list = yyjson_obj_get(line, "recipients");
    size_t count = yyjson_arr_size(list);
    if (list == NULL) {
        return true;
    }
    config->recipients = count == 0 || count > AGE_RECIPIENTS_LIMIT ? NULL : calloc(count, sizeof *config->recipients);
    config->has_passphrase = yyjson_is_true(yyjson_obj_get(line, "passphrase"));
    const char *key = yyjson_get_str(yyjson_obj_get(line, "key"));
    bool good = config->recipients != NULL &&
                (!config->has_passphrase || (key != NULL && hex_decode(key, config->key_hash, SHA256_SIZE)));
    for (size_t i = 0; good && i < count; i++) {
        struct error unused;
        const char *text = yyjson_get_str(yyjson_arr_get(list, i));
        good = text != NULL && age_recipient_parse(&config->recipients[i], text, &unused) == 0;
        config->recipient_count = i + 1;
    }
    return good;
}

static bool get_config(struct repository_config *config, yyjson_val *line)
{
    const char *id = yyjson_get_str(yyjson_obj_get(line, "id"));
    yyjson_val *sizes = yyjson_obj_get(line, "chunks");
    yyjson_val *pages = yyjson_obj_get(line, "pages");
    uint8_t bytes[16];
    struct chunker chunker;
    if (id == NULL || !hex_decode(id, bytes, sizeof bytes) || !get32(sizes, "minimum", &config->sizes.minimum_bytes) ||
        !get32(sizes, "average", &config->sizes.average_bytes) ||
        !get32(sizes, "maximum", &config->sizes.maximum_bytes) || !yyjson_is_uint(yyjson_obj_get(sizes, "seed"))) {
        return false;
    }
    config->seed = yyjson_get_uint(yyjson_obj_get(sizes, "seed"));
    memcpy(config->id, id, sizeof config->id);
    for (size_t i = 0; i < CONFIG_PAGES; i++) {
        const char *hash = yyjson_get_str(yyjson_obj_get(pages, config_pages[i].name));
        if (hash == NULL || !hex_decode(hash, config->page_hashes[i], SHA256_SIZE)) {
            return false;
        }
    }
    return chunker_init(&chunker, &config->sizes, config->seed) && get_recipients(config, line);
}

int config_read_text(int folder_fd, const char *name, struct buffer *text, size_t *line_size, struct error *error)
{
    struct error trouble = {.code = CSN_NONE};
    buffer_free(text);
    if (file_read(folder_fd, name, CONFIG_LIMIT_BYTES, text, &trouble) != 0) {
        return trouble.code == CSN_MEMORY || trouble.code == CSN_PRIVILEGE
                   ? error_set(error, trouble.code, "%s", trouble.message)
                   : 1;
    }
    return hash_holds(text, line_size) ? 0 : 1;
}

static int parse(struct repository_config *config, const char *path, const struct buffer *text, size_t line_size,
                 struct error *error)
{
    yyjson_doc *document = yyjson_read(text->data, line_size, 0);
    yyjson_val *line = yyjson_doc_get_root(document);
    const char *format = yyjson_get_str(yyjson_obj_get(line, "format"));
    uint64_t version = yyjson_get_uint(yyjson_obj_get(line, "version"));
    int result = 0;
    if (format == NULL || strcmp(format, "caisson-repository") != 0) {
        result = error_set(error, CSN_REPOSITORY_NOT, "%s/" CONFIG_FILE " is not that of a repository", path);
    } else if (version > CONFIG_VERSION) {
        result = error_set(error, CSN_REPOSITORY_VERSION, "%s has format %" PRIu64 ", this release knows up to %d",
                           path, version, CONFIG_VERSION);
    } else if (version != CONFIG_VERSION || !get_config(config, line)) {
        result = error_set(error, CSN_REPOSITORY_DAMAGED, "%s/" CONFIG_FILE " is not as it must be", path);
    }
    yyjson_doc_free(document);
    return result;
}

int config_read(struct repository_config *config, int folder_fd, const char *path, struct error *error)
{
    struct buffer text = {0};
    size_t line_size = 0;
    *config = (struct repository_config){0};
    int result = config_read_text(folder_fd, CONFIG_FILE, &text, &line_size, error);
    bool named = faccessat(folder_fd, CONFIG_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    /* Who has lost both has a repository all the same. */
    bool there = named || (faccessat(folder_fd, REPOSITORY_PACKS, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
                           faccessat(folder_fd, REPOSITORY_SNAPSHOTS, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    if (result == 1) {
        result = config_read_text(folder_fd, CONFIG_COPY, &text, &line_size, error);
    }
    if (result == 1) {
        result = there ? error_set(error, CSN_REPOSITORY_DAMAGED, "%s/" CONFIG_FILE " and its copy: %s", path,
                                   named ? "their hash does not hold" : "they are gone")
                       : error_set(error, CSN_REPOSITORY_NOT, "%s has no " CONFIG_FILE, path);
    } else if (result == 0) {
        result = parse(config, path, &text, line_size, error);
    }
    buffer_free(&text);
    if (result != 0) {
        config_free(config);
    }
    return result;
}

void config_free(struct repository_config *config)
{
    free(config->recipients);
    config->recipients = NULL;
    config->recipient_count = 0;
}
