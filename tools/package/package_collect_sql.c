#include "package/package_collect.h"

#include <string.h>

#include "lib/file.h"
#include "package/package_flyway.h"
#include "package/package_index.h"
#include "package/package_sql.h"

#define MIGRATION_LIMIT ((size_t)256 << 20) /* what a server reads */

static int take_generated(void *context, const char *member, struct buffer *content, struct error *error)
{
    return package_collect_content(context, member, content, error);
}

int package_collect_flyway(struct package_collection *collection, const struct package_build *build, const char *name,
                           struct error *error)
{
    struct flyway_folder folder = {0};
    struct buffer *index = &collection->index_text;
    if (build->flyway == NULL) {
        return ini_get(&collection->index.ini, "flyway", "before") == NULL
                   ? 0
                   : error_set(error, CSN_PACKAGE_INPUT, "%s has [flyway], but no --flyway FOLDER is given", name);
    }
    int result = flyway_folder_read(&folder, build->flyway, &collection->index.ini, build->notes, error);
    if (result == 0) {
        buffer_string(index, "\n\n# By `caisson pack --flyway`:\n");
        result = flyway_write(&folder, &collection->index.ini, name, index, take_generated, collection, error);
    }
    flyway_folder_free(&folder);
    if (result == 0) {
        package_index_free(&collection->index);
        collection->index = (struct package){.fd = -1};
        result =
            package_index_parse(&collection->index, PACKAGE_INDEX_INPUT, name, buffer_text(index), index->size, error);
    }
    return result;
}

/* What the database would refuse is said here, where it can be mended. */
static int check_migration(const struct package_collection *collection, const struct package_source *source,
                           const struct package_migration *migration, const char *folder, struct error *error)
{
    struct buffer file = {0};
    struct buffer name = {0};
    const struct buffer *text = source->from == SOURCE_CONTENT ? &source->content : &file;
    buffer_format(&name, "%s/%s", folder, source->name);
    int result = buffer_check(&name, error);
    if (result == 0 && source->from == SOURCE_INPUT) {
        result = file_read(collection->input_fd, source->name, MIGRATION_LIMIT, &file, error);
    }
    if (result == 0) {
        result = package_sql_check(name.data, buffer_text(text), text->size,
                                   migration->transaction ? PACKAGE_SQL_IN_ONE : PACKAGE_SQL_NONE, NULL, error);
    }
    buffer_free(&file);
    buffer_free(&name);
    return result;
}

int package_collect_check_sql(const struct package_collection *collection, const char *folder, struct error *error)
{
    const struct package *index = &collection->index;
    for (size_t i = 0; i < index->migrations_count; i++) {
        const struct package_migration *migration = &index->migrations[i];
        for (size_t k = 0; migration->kind == PACKAGE_MIGRATION_SQL && k < collection->count; k++) {
            const struct package_source *source = &collection->sources[k];
            if (strcmp(source->name, migration->file) == 0 &&
                check_migration(collection, source, migration, folder, error) != 0) {
                return -1;
            }
        }
    }
    return 0;
}
