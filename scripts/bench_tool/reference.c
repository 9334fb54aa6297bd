/*
 * The limit that uploads are measured against: receive, SHA-256, write, fdatasync, rename, answer.
 *
 *   reference DIR
 *
 * Prints the port it listens on (loopback, chosen by the kernel), then serves until it is killed.
 * It takes POST of multipart/form-data whose second part is called "file", with Content-Length and
 * keep-alive, as the archive does, and knows nothing else: no caller, no row, no cipher.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  BUFFER_BYTES = 256 * 1024, /* Fits the second-level cache, so that hash and write read it warm. */
  HEAD_BYTES = 16 * 1024,
  BOUNDARY_BYTES = 72, /* RFC 2046, 5.1.1: at most 70 characters. */
  NAME_BYTES = 64,
  DIGEST_BYTES = 32,
  BACKLOG = 512,
};

static const char *directory;
static EVP_MD *sha256;
static atomic_ullong files;

/* One connection: what was received and not yet used lies between `used` and `filled`. */
struct connection {
  int socket;
  EVP_MD_CTX *digest;
  size_t used;
  size_t filled;
  char buffer[BUFFER_BYTES];
};

struct request {
  long long length;
  char boundary[BOUNDARY_BYTES];
};

static void die(const char *what) {
  perror(what);
  exit(1);
}

/* Receive more behind what is there; false at the end, on an error, or when there is no room. */
static bool receive(struct connection *c) {
  if (c->used > 0) {
    memmove(c->buffer, c->buffer + c->used, c->filled - c->used);
    c->filled -= c->used;
    c->used = 0;
  }
  if (c->filled == BUFFER_BYTES) return false;
  ssize_t got = recv(c->socket, c->buffer + c->filled, BUFFER_BYTES - c->filled, 0);
  if (got <= 0) return false;
  c->filled += (size_t)got;
  return true;
}

/* Return the length up to and with `mark`, receiving until it is there; 0 if it does not come. */
static size_t find(struct connection *c, size_t from, const char *mark) {
  for (;;) {
    size_t there = c->filled - c->used;
    if (there > from) {
      const char *start = c->buffer + c->used;
      const char *hit = memmem(start + from, there - from, mark, strlen(mark));
      if (hit) return (size_t)(hit - start) + strlen(mark);
    }
    if (there >= HEAD_BYTES || !receive(c)) return 0;
  }
}

static bool parse_head(char *head, struct request *request) {
  request->length = -1;
  request->boundary[0] = 0;
  if (strncmp(head, "POST ", 5) != 0) return false;
  char *rest = head;
  for (char *line = strtok_r(head, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
    if (strncasecmp(line, "content-length:", 15) == 0) {
      request->length = strtoll(line + 15, NULL, 10);
    } else if (strncasecmp(line, "content-type:", 13) == 0) {
      const char *value = strstr(line, "boundary=");
      if (!value || strlen(value + 9) >= BOUNDARY_BYTES) return false;
      strcpy(request->boundary, value + 9);
    }
  }
  return request->length > 0 && request->boundary[0];
}

static bool write_all(int file, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = write(file, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    count -= (size_t)written;
  }
  return true;
}

/* Take `length` bytes of the file part: hash and write each chunk as it comes. */
static bool take_file(struct connection *c, int file, long long length) {
  EVP_DigestInit_ex2(c->digest, sha256, NULL);
  while (length > 0) {
    if (c->used == c->filled) {
      c->used = c->filled = 0;
      if (!receive(c)) return false;
    }
    size_t chunk = c->filled - c->used;
    if ((long long)chunk > length) chunk = (size_t)length;
    EVP_DigestUpdate(c->digest, c->buffer + c->used, chunk);
    if (!write_all(file, c->buffer + c->used, chunk)) return false;
    c->used += chunk;
    length -= (long long)chunk;
  }
  return true;
}

static bool keep_file(struct connection *c, long long length, unsigned long long number) {
  char part[NAME_BYTES], name[NAME_BYTES];
  snprintf(part, sizeof part, "%llu.part", number);
  snprintf(name, sizeof name, "%llu", number);
  int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) die(directory);
  int file = openat(folder, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool kept = file >= 0 && take_file(c, file, length) && fdatasync(file) == 0 &&
              renameat(folder, part, folder, name) == 0;
  if (!kept && file >= 0) unlinkat(folder, part, 0);
  if (file >= 0) close(file);
  close(folder);
  return kept;
}

static bool take_tail(struct connection *c, const char *tail) {
  size_t length = strlen(tail);
  while (c->filled - c->used < length)
    if (!receive(c)) return false;
  if (memcmp(c->buffer + c->used, tail, length) != 0) return false;
  c->used += length;
  return true;
}

static bool answer(struct connection *c, int status, const char *body) {
  char text[512];
  int length = snprintf(text, sizeof text,
                        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n%s\r\n%s",
                        status, status == 201 ? "Created" : "Bad Request", strlen(body),
                        status == 201 ? "" : "Connection: close\r\n", body);
  return send(c->socket, text, (size_t)length, MSG_NOSIGNAL) == length;
}

static bool refuse(struct connection *c) {
  answer(c, 400, "{\"title\": \"no multipart upload with a part called file\"}");
  return false;
}

/* Serve one request; false when the connection is to be closed. */
static bool serve(struct connection *c) {
  size_t head = find(c, 0, "\r\n\r\n");
  if (head == 0) return c->filled > c->used ? refuse(c) : false;
  struct request request;
  c->buffer[c->used + head - 1] = 0;
  if (!parse_head(c->buffer + c->used, &request)) return refuse(c);
  c->used += head;

  size_t name = find(c, 0, "name=\"file\"");
  size_t prefix = name ? find(c, name, "\r\n\r\n") : 0;
  if (prefix == 0) return refuse(c);
  c->used += prefix;

  char tail[BOUNDARY_BYTES + 16];
  snprintf(tail, sizeof tail, "\r\n--%s--\r\n", request.boundary);
  long long length = request.length - (long long)prefix - (long long)strlen(tail);
  if (length < 0) return refuse(c);
  if (!keep_file(c, length, atomic_fetch_add(&files, 1))) return false;
  if (!take_tail(c, tail)) return refuse(c);

  unsigned char digest[DIGEST_BYTES];
  char hex[2 * DIGEST_BYTES + 1], body[256];
  EVP_DigestFinal_ex(c->digest, digest, NULL);
  for (int i = 0; i < DIGEST_BYTES; i++) sprintf(hex + 2 * i, "%02x", digest[i]);
  snprintf(body, sizeof body, "{\"sha256\": \"%s\", \"size_bytes\": %lld}", hex, length);
  return answer(c, 201, body);
}

static void *run(void *argument) {
  struct connection *c = argument;
  while (serve(c)) {
  }
  close(c->socket);
  EVP_MD_CTX_free(c->digest);
  free(c);
  return NULL;
}

static int listen_on_loopback(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0) die("bind");
  if (listen(listener, BACKLOG) < 0) die("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &length) < 0) die("getsockname");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

static void start_connection(int socket) {
  int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct connection *c = malloc(sizeof *c);
  if (!c) die("malloc");
  c->socket = socket;
  c->used = c->filled = 0;
  c->digest = EVP_MD_CTX_new();
  pthread_t thread;
  if (!c->digest || pthread_create(&thread, NULL, run, c) != 0) die("thread");
  pthread_detach(thread);
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: reference DIR\n");
    return 2;
  }
  directory = arguments[1];
  prctl(PR_SET_PDEATHSIG, SIGTERM); /* No server is left behind by a benchmark that was killed. */
  sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
  if (!sha256) die("SHA256");
  int listener = listen_on_loopback();
  for (;;) {
    int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket >= 0) start_connection(socket);
  }
}
