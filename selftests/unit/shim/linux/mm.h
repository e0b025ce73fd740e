/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Userspace stand-in: pages whose struct page lies right behind them, so that a test allocates
 * SHIM_PAGE_ALLOC bytes, aligned to SHIM_PAGE_ALLOC, for each.
 */
#ifndef SHIM_LINUX_MM_H
#define SHIM_LINUX_MM_H

#include <linux/list.h>
#include <linux/types.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define SHIM_PAGE_ALLOC (2 * PAGE_SIZE)

struct page {
	struct list_head lru;
	unsigned long private;
};

static inline struct page *virt_to_page(const void *address)
{
	return (struct page *)((char *)address + PAGE_SIZE);
}

static inline void *page_address(const struct page *page)
{
	return (char *)page - PAGE_SIZE;
}

static inline unsigned long page_private(const struct page *page)
{
	return page->private;
}

static inline void set_page_private(struct page *page, unsigned long value)
{
	page->private = value;
}

#endif
