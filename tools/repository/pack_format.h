/*
 * pack_format.h - the places in a pack's trailer; for pack_write.c and pack_read.c only. README.md has the table.
 */
#ifndef CAISSON_REPOSITORY_PACK_FORMAT_H
#define CAISSON_REPOSITORY_PACK_FORMAT_H

#define PACK_SKIPPABLE_MAGIC 0x184D2A5Bu /* one of the sixteen of RFC 8878 3.1.2 */

#define PACK_PADDING_MAGIC 0x184D2A5Cu /* another one */
#define PACK_PADDING_LIMIT(frames_bytes) (65536u + (uint32_t)((frames_bytes) / 64))

#define TRAILER_MAGIC "caisson" /* and the kind */
#define TRAILER_MAGIC_BYTES 7
#define TRAILER_KIND 7
#define TRAILER_VERSION 8
#define TRAILER_COUNT 12
#define TRAILER_SALT 16
#define TRAILER_SALT_BYTES 16
#define TRAILER_HASHED_BYTES 32 /* what comes before the id */
#define TRAILER_ID 32

#define RECORD_STORED 32
#define RECORD_SIZE 36
#define RECORD_CRC 40

#endif
