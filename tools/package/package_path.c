#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "package/package.h"
#include "package/package_version.h"

/* One version that can be reached, and by which hop. */
struct stop {
    const char *version;
    const struct package *by; /* NULL: the start */
    size_t before;            /* index of the stop it came from */
};

static bool is_reached(const struct stop *stops, size_t count, const char *version)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(stops[i].version, version) == 0) {
            return true;
        }
    }
    return false;
}

/* Breadth first: a version is reached first over the fewest hops. */
static size_t reach_all(struct stop *stops, const struct package *const packages[], size_t count,
                        const char *application, const char *from)
{
    size_t reached = 1;
    stops[0] = (struct stop){from, NULL, 0};
    for (size_t at = 0; at < reached; at++) {
        for (size_t i = 0; i < count; i++) {
            const struct package *package = packages[i];
            if (strcmp(package->application, application) == 0 &&
                package_check_version(package, stops[at].version, NULL) == 0 &&
                !is_reached(stops, reached, package->version)) {
                stops[reached++] = (struct stop){package->version, package, at};
            }
        }
    }
    return reached;
}

static size_t find_goal(const struct stop *stops, size_t reached, const char *to)
{
    size_t best = 0;
    for (size_t i = 1; i < reached; i++) {
        if (to == NULL ? package_version_compare(stops[best].version, stops[i].version) < 0
                       : strcmp(stops[i].version, to) == 0) {
            best = i;
        }
    }
    return best;
}

/* What there is, from where to where, so that a reader sees which hop is missing. */
static int no_path(const struct package *const packages[], size_t count, const struct stop *stops, size_t reached,
                   const char *application, const char *to, struct error *error)
{
    struct buffer text = {0};
    bool any = false;
    buffer_format(&text, "no package leads %s from %s%s%s", application, stops[0].version,
                  to == NULL ? " to any later version" : " to ", to == NULL ? "" : to);
    for (size_t i = 1; i < reached; i++) {
        buffer_format(&text, "%s %s", i == 1 ? "; it can come as far as" : ",", stops[i].version);
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(packages[i]->application, application) == 0) {
            buffer_format(&text, "%s %s -> %s", any ? "," : "; the packages here lead",
                          ini_get(&packages[i]->ini, "package", "from"), packages[i]->version);
            any = true;
        }
    }
    if (!any) {
        buffer_format(&text, "; no package for %s is here", application);
    }
    int result = buffer_check(&text, error) != 0 ? -1 : error_set(error, CSN_PACKAGE_VERSION, "%s", text.data);
    buffer_free(&text);
    return result;
}

int package_path_find(const struct package *const packages[], size_t count, const char *application, const char *from,
                      const char *to, const struct package *path[], size_t *path_count, struct error *error)
{
    *path_count = 0;
    if (to != NULL && strcmp(from, to) == 0) {
        return 0;
    }
    struct stop *stops = calloc(count + 1, sizeof *stops);
    if (stops == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to find the path of packages");
    }
    size_t reached = reach_all(stops, packages, count, application, from);
    size_t goal = find_goal(stops, reached, to);
    int result = goal == 0 ? no_path(packages, count, stops, reached, application, to, error) : 0;
    for (size_t at = goal; at != 0; at = stops[at].before) {
        (*path_count)++;
    }
    size_t index = *path_count;
    for (size_t at = goal; at != 0; at = stops[at].before) {
        path[--index] = stops[at].by;
    }
    free(stops);
    return result;
}
