#include "repository/config.h"

#include <string.h>

#include "lib/file.h"
#include "repository/key_file.h"

#define PAGE_LIMIT_BYTES (1024u * 1024)

/* 1: the page is as it was written; 0; -1. */
static int page_holds(const struct repository_config *config, size_t page, int folder_fd, struct error *error)
{
    struct buffer text = {0};
    struct error trouble = {.code = CSN_NONE};
    uint8_t digest[SHA256_SIZE] = {0};
    int got = file_read(folder_fd, config_pages[page].name, PAGE_LIMIT_BYTES, &text, &trouble);
    if (got == 0) {
        sha256_of(buffer_text(&text), text.size, digest);
    }
    buffer_free(&text);
    return got != 0 && trouble.code == CSN_MEMORY
               ? error_set(error, CSN_MEMORY, "%s", trouble.message)
               : got == 0 && memcmp(digest, config->page_hashes[page], SHA256_SIZE) == 0;
}

int config_check(const struct repository_config *config, int folder_fd,
                 void (*damaged)(void *context, const char *file, const char *what), void *context, struct error *error)
{
    struct buffer text = {0};
    size_t unused = 0;
    int main_bad = config_read_text(folder_fd, CONFIG_FILE, &text, &unused, error);
    int copy_bad = main_bad < 0 ? -1 : config_read_text(folder_fd, CONFIG_COPY, &text, &unused, error);
    buffer_free(&text);
    if (main_bad == 1) {
        damaged(context, CONFIG_FILE, "its hash does not hold");
    }
    if (copy_bad == 1) {
        damaged(context, CONFIG_COPY, "its hash does not hold");
    }
    int result = copy_bad < 0 ? -1 : 0;
    for (size_t i = 0; result == 0 && config->id[0] != '\0' && i < CONFIG_PAGES; i++) {
        int holds = page_holds(config, i, folder_fd, error);
        if (holds == 0) {
            damaged(context, config_pages[i].name, "it is not as it was written");
        }
        result = holds < 0 ? -1 : 0;
    }
    return result != 0 ? -1 : key_file_check(config, folder_fd, damaged, context, error);
}

/* One of the two texts from the other. */
static int repair_text(int folder_fd, const char *from, const char *to,
                       void (*done)(void *context, const char *file, const char *what), void *context,
                       struct error *error)
{
    struct buffer text = {0};
    size_t unused = 0;
    int result = config_read_text(folder_fd, to, &text, &unused, error);
    if (result == 1) {
        result = config_read_text(folder_fd, from, &text, &unused, error);
        if (result == 0) {
            result = file_replace(folder_fd, to, text.data, text.size, 0600, error);
            if (result == 0) {
                done(context, to, "written anew");
            }
        } else if (result == 1) {
            done(context, to, "it cannot be written anew: its copy is damaged, too");
            result = 0;
        }
    }
    buffer_free(&text);
    return result;
}

static int repair_page(const struct repository_config *config, size_t at, int folder_fd,
                       void (*done)(void *context, const char *file, const char *what), void *context,
                       struct error *error)
{
    const struct config_page *page = &config_pages[at];
    uint8_t digest[SHA256_SIZE];
    int holds = page_holds(config, at, folder_fd, error);
    if (holds != 0) {
        return holds < 0 ? -1 : 0;
    }
    sha256_of(page->text, strlen(page->text), digest);
    if (memcmp(digest, config->page_hashes[at], SHA256_SIZE) != 0) {
        done(context, page->name, "it cannot be written anew: it is from another release of Caisson");
        return 0;
    }
    if (file_replace(folder_fd, page->name, page->text, strlen(page->text), page->mode, error) != 0) {
        return -1;
    }
    done(context, page->name, "written anew");
    return 0;
}

int config_repair(const struct repository_config *config, int folder_fd,
                  void (*done)(void *context, const char *file, const char *what), void *context, struct error *error)
{
    int result = repair_text(folder_fd, CONFIG_COPY, CONFIG_FILE, done, context, error) != 0
                     ? -1
                     : repair_text(folder_fd, CONFIG_FILE, CONFIG_COPY, done, context, error);
    for (size_t i = 0; result == 0 && config->id[0] != '\0' && i < CONFIG_PAGES; i++) {
        result = repair_page(config, i, folder_fd, done, context, error);
    }
    return result != 0 ? -1 : key_file_repair(config, folder_fd, done, context, error);
}
