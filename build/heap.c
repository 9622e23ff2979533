/* The allocator that CPython, SQLite, zlib and expat call in place of malloc(3), by build/launcher.py.
 *
 * While an image is made, memory comes from one array at a fixed address, the heap; in all other runs
 * from the C library. Memory of the image is never given back to the C library, which knows nothing of it.
 * Nothing here knows Python.
 */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "heap.h"

extern char heap_start[], heap_end[]; /* build/image.ld */

int is_making;

#define UNIT 16 /* alignment and granularity */
#define SIZES 4096

/* Before each piece of memory; the two together are a number of units. */
struct header {
    unsigned size; /* of the memory */
    unsigned ordinal;
};

char *heap_used = heap_start + UNIT - sizeof(struct header); /* what follows a header is aligned */
static void *freed[SIZES]; /* by size in units; each begins with a pointer to the next one */
static unsigned taken;
static const struct together *together;
static struct {
    char *used, *end;
} groups[GROUPS];

static int is_of_image(const void *memory)
{
    return (const char *)memory >= heap_start && (const char *)memory < heap_end;
}

static struct header *header_of(void *memory)
{
    return (struct header *)memory - 1;
}

/* Before anything is allocated. */
void put_together(const struct together *these)
{
    together = these;
    for (int each = 0; each < GROUPS; each++) {
        groups[each].used = heap_used;
        groups[each].end = heap_used += these->sizes[each];
    }
}

static char *take_together(size_t units)
{
    int group = taken < together->count ? together->groups[taken] - 1 : -1;
    if (group < 0 || units * UNIT > (size_t)(groups[group].end - groups[group].used))
        return NULL;
    char *memory = groups[group].used + sizeof(struct header);
    groups[group].used += units * UNIT;
    return memory;
}

static void *take(size_t size)
{
    size_t units = (size + sizeof(struct header) + UNIT - 1) / UNIT;
    char *memory = take_together(units);
    if (memory) {
        /* one that runs use */
    } else if (units < SIZES && (memory = freed[units])) {
        freed[units] = *(void **)memory;
        *(void **)memory = NULL;
    } else {
        if (units > (size_t)(heap_end - heap_used) / UNIT) {
            fprintf(stderr, "cni-bridge: the heap is too small for the image\n");
            abort();
        }
        memory = heap_used + sizeof(struct header);
        heap_used += units * UNIT;
    }
    header_of(memory)->size = units * UNIT - sizeof(struct header);
    header_of(memory)->ordinal = taken++;
    return memory;
}

/* Cleared, so that no old pointer gets into an image. */
static void give(void *memory)
{
    size_t size = header_of(memory)->size, units = (size + sizeof(struct header)) / UNIT;
    memset(memory, 0, size);
    if (units < SIZES) {
        *(void **)memory = freed[units];
        freed[units] = memory;
    }
}

void *heap_malloc(size_t size)
{
    return is_making ? take(size) : malloc(size);
}

void *heap_calloc(size_t count, size_t size)
{
    size_t product;
    if (!is_making)
        return calloc(count, size);
    return __builtin_mul_overflow(count, size, &product) ? NULL : take(product);
}

void heap_free(void *memory)
{
    if (!is_of_image(memory))
        free(memory);
    else if (is_making)
        give(memory);
}

void *heap_realloc(void *memory, size_t size)
{
    if (!memory)
        return heap_malloc(size);
    if (!is_of_image(memory))
        return realloc(memory, size);
    size_t had = header_of(memory)->size;
    if (size <= had)
        return memory;
    void *moved = heap_malloc(size);
    if (moved) {
        memcpy(moved, memory, had);
        heap_free(memory);
    }
    return moved;
}

/* For pymalloc's arenas and the interpreter's stacks of frames. */
void *take_arena(void *context, size_t size)
{
    if (is_making)
        return take(size);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void give_arena(void *context, void *memory, size_t size)
{
    if (!is_of_image(memory))
        munmap(memory, size);
    else if (is_making)
        give(memory);
}
