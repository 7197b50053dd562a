// The agent of an instance: asks the region about once a second whether there is a script to run, runs it, and tells
// how it ended. It is to AWS's agent as the region is to AWS (sandbox/region/guest_agents.h says what the two speak);
// nothing runs twice, whatever answer is lost on the way.

#include "guest.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PAGES "/rekindle-sandbox/agent/"

enum {
  ANSWER_BYTES = 128 * 1024,  // a script has at most 64 KiB
  SHORTEST_PAUSE = 1,
  LONGEST_PAUSE = 5,
  LONGEST_FOLDER = 4096,
  COMMAND_LENGTH = 36,
};

typedef struct {
  char life[17];  // drawn when this agent started
  char answer[ANSWER_BYTES];
  char command[COMMAND_LENGTH + 1];
  char folder[LONGEST_FOLDER + 1];
  char script[ANSWER_BYTES];
  long seconds;
  ScriptEnd end;
  char report[OUTPUT_BYTES + ERROR_BYTES];
} Agent;

static int longer(int pause) { return pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE; }

// Of the command that is being run. The status; `*body` is what was answered.
static int tell(Agent* agent, const char* what, const char* more, size_t length, char** body) {
  char path[256];
  snprintf(path, sizeof path, PAGES "%s?command=%s&agent=%s%s", what, agent->command, agent->life, more);
  return metadata_post(path, agent->report, length, agent->answer, sizeof agent->answer, body);
}

// An answer that never came is asked for again: the region gives the same one.
static int insist(Agent* agent, const char* what, const char* more, size_t length) {
  char* body;
  int status;
  for (int pause = SHORTEST_PAUSE; (status = tell(agent, what, more, length, &body)) == 0 || status >= 500;
       pause = longer(pause))
    sleep(pause);
  return status;
}

static int poll_region(Agent* agent, char** body) {
  SystemFacts facts;
  facts_system(&facts);
  char self[512];
  int length = snprintf(self, sizeof self,
                        "platform_name=%s\nplatform_version=%s\ncomputer_name=%s\nagent_version=1.0\n", facts.name,
                        facts.version, facts.host_name);
  return metadata_post(PAGES "poll", self, length, agent->answer, sizeof agent->answer, body);
}

// "run COMMAND SECONDS\nFOLDER\nSCRIPT". False when it is something else.
static bool read_order(Agent* agent, const char* order) {
  const char* folder = strchr(order, '\n');
  const char* script = folder ? strchr(folder + 1, '\n') : NULL;
  if (!script || sscanf(order, "run %36s %ld", agent->command, &agent->seconds) != 2) return false;
  if (agent->seconds < 1 || script - folder - 1 > LONGEST_FOLDER) return false;
  snprintf(agent->folder, sizeof agent->folder, "%.*s", (int)(script - folder - 1), folder + 1);
  snprintf(agent->script, sizeof agent->script, "%s", script + 1);
  return true;
}

// What cannot be asked goes on.
static bool must_stop(void* context) {
  char* body;
  return tell(context, "running", "", 0, &body) == 200 && strncmp(body, "stop", 4) == 0;
}

static void report_end(Agent* agent) {
  const ScriptEnd* end = &agent->end;
  memcpy(agent->report, end->text[0], end->output_size);
  memcpy(agent->report + end->output_size, end->text[1], end->error_size);
  char more[64];
  snprintf(more, sizeof more, "&code=%d&output=%zu", end->code, end->output_size);
  insist(agent, "end", more, end->output_size + end->error_size);
}

static void run(Agent* agent) {
  if (insist(agent, "start", "", 0) != 200) return;
  script_run(agent->script, agent->folder, agent->seconds, must_stop, agent, &agent->end);
  report_end(agent);
}

static void* serve(void* context) {
  Agent* agent = context;
  for (int pause = SHORTEST_PAUSE;;) {
    char* body;
    int status = poll_region(agent, &body);
    if (status == 200 && read_order(agent, body)) run(agent);
    pause = status == 200 ? SHORTEST_PAUSE : longer(pause);
    sleep(pause);
  }
  return NULL;
}

static bool draw_life(char life[17]) {
  uint64_t number;
  if (getrandom(&number, sizeof number, 0) != sizeof number) return false;
  snprintf(life, 17, "%016" PRIx64, number);
  return true;
}

void agent_start(void) {
  if (!is_ec2()) return;
  Agent* agent = calloc(1, sizeof *agent);
  pthread_t thread;
  if (agent && draw_life(agent->life) && pthread_create(&thread, NULL, serve, agent) == 0)
    pthread_detach(thread);
  else
    free(agent);
}
