/*
 * package_collect.h - what goes into a package, gathered and checked on the vendor's machine. Private to tools/package.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_COLLECT_H
#define CAISSON_PACKAGE_PACKAGE_COLLECT_H

#include "package/package_build.h"
#include "package/package_payload.h"

/* One member to be: its bytes are in content, or in the input folder, or in the payload's file. */
struct package_source {
    char name[PACKAGE_MEMBER_NAME_SIZE];
    enum { SOURCE_CONTENT, SOURCE_INPUT, SOURCE_PAYLOAD } from;
    struct buffer content;
    uint8_t sha256[SHA256_SIZE];
    uint64_t size_bytes;
};

struct package_collection {
    struct package index;      /* parsed package.ini */
    struct buffer index_text;  /* its bytes as given */
    int input_fd;              /* the input folder */
    int tree_fd;               /* the new tree's top */
    struct tree_manifest tree; /* of the new tree, as it will be packed */
    struct profile profile;    /* of the input; empty where there is none */
    struct package_source *sources;
    size_t count;
    size_t allocated; /* private */
};

/* Reads and checks input folder, chain, old and new trees; everything but the payload is in sources then, in the order of the file.
 * Free with package_collection_free in each case. */
int package_collect(struct package_collection *collection, const struct package_build *build, struct error *error)
    MUST_CHECK;

/* Appends a source with from SOURCE_PAYLOAD. */
int package_collect_payload(struct package_collection *collection, const uint8_t sha256[SHA256_SIZE],
                            uint64_t size_bytes, struct error *error) MUST_CHECK;

/* Adds a member of this content, which is the collection's then, or freed. */
int package_collect_content(struct package_collection *collection, const char *name, struct buffer *content,
                            struct error *error) MUST_CHECK;

/* package_collect_sql.c. What the folder of Flyway's scripts means is added to the index, as if the vendor had written it there
 * (it is read again), with its members; name is that of package.ini. */
int package_collect_flyway(struct package_collection *collection, const struct package_build *build, const char *name,
                           struct error *error) MUST_CHECK;

/* Every SQL migration, as package_sql_check does; folder is for messages. */
int package_collect_check_sql(const struct package_collection *collection, const char *folder, struct error *error)
    MUST_CHECK;
void package_collection_free(struct package_collection *collection);

#endif
