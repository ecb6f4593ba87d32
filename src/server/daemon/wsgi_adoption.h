#ifndef WSGI_ADOPTION_H
#define WSGI_ADOPTION_H

/**
 * From now on processes whose parent dies become children of this one, if it is the nearest ancestor that wants that:
 * PR_SET_CHILD_SUBREAPER of prctl(2), PROC_REAP_ACQUIRE of procctl(2). Not inherited by what this process forks.
 * @return 0, or -1 and errno: ENOSYS where the system has nothing of the kind
 */
int wsgi_adoption_begin(void);

#endif
