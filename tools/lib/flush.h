/*
 * flush.h - waiting until the disk has what was written, and saying how far it is: memory can hold gigabytes that a slow stick takes
 * minutes for.
 */
#ifndef CAISSON_LIB_FLUSH_H
#define CAISSON_LIB_FLUSH_H

#include "lib/progress.h"

/* syncfs(2) of the file system that fd lies on. -1 with errno set. progress: NULL, or told what this machine still has to write to all of
 * its disks. */
int flush_file_system(int fd, const struct progress *progress);

#endif
