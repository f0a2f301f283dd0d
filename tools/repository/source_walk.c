#include "repository/source_walk.h"

#include "tree/path.h"

struct source {
    const struct repository *repository;
    const struct repository_backup_options *options;
    source_visitor *visitor;
    void *context;
    struct buffer path;   /* full path of what is visited */
    size_t source_length; /* of it: what belongs to the source */
};

static int visit_entry(void *context, const struct tree_visit *visit, struct error *error)
{
    struct source *source = context;
    const struct tree_entry *tree = visit->entry;
    source->path.size = source->source_length;
    if (tree->path[0] != '\0' && source->source_length > 0) {
        buffer_append(&source->path, "/", 1);
    }
    buffer_string(&source->path, tree->path);
    if (buffer_check(&source->path, error) != 0) {
        return -1;
    }
    if (visit->event != TREE_VANISHED) {
        bool own = tree->type == TREE_FOLDER && tree->dev == source->repository->folder_dev &&
                   tree->ino == source->repository->folder_ino;
        if (own || tree_path_matches(source->options->excludes, source->path.data)) {
            return tree->type == TREE_FOLDER ? TREE_SKIP : 0;
        }
    }
    return source->visitor(source->context, source->path.data, visit, error);
}

int source_walk(const struct repository *repository, const struct repository_source *source,
                const struct repository_backup_options *options, bool want_xattrs, source_visitor *visitor,
                void *context, struct error *error)
{
    struct source walked = {.repository = repository, .options = options, .visitor = visitor, .context = context};
    const struct tree_walk_options how = {
        .one_file_system = options->one_file_system,
        .want_xattrs = want_xattrs,
        .tolerate_vanished = true,
    };
    buffer_string(&walked.path, source->name + 1);
    while (walked.path.size > 0 && walked.path.data[walked.path.size - 1] == '/') {
        walked.path.size--;
    }
    walked.source_length = walked.path.size;
    int result = buffer_check(&walked.path, error) != 0
                     ? -1
                     : tree_walk(source->root_fd, source->path, &how, visit_entry, &walked, error);
    buffer_free(&walked.path);
    return result;
}
