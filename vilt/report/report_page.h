// The frame that every report has: head, facts, navigation, sections, style and script.
#pragma once

#include <string>
#include <vector>

#include "vilt/tasks/settings.h"
#include "vilt/tasks/summary.h"

namespace tessera {

struct ReportSection {
  const char* id;
  const char* name;   // in the navigation
  const char* title;  // above the section
  std::string body;   // empty: the section is left out
};

struct ReportPage {
  std::string title, lead, command;  // plain text
  std::string facts;                 // <dl>, or nothing
  std::string symbols;               // of pictures that sections share
  std::string tiles;
  std::vector<ReportSection> sections;
  std::string generator = "Tessera";  // by which a program knows its own page again
};

std::string page_html(const ReportPage& page);

// train.title, or one made of the run's folder.
std::string report_title(const Settings& settings);
// The command that reproduces the run, and all its settings.
std::string settings_html(const Settings& settings, const std::string& command);

// "<dl class="facts">…": what was trained and how. `unit` is what a step has so many of.
std::string run_facts_html(const Settings& settings, const ModelConfig& model, const Summary& summary,
                           int64_t vocabulary, const std::string& unit, const std::string& objective);

// The filter that takes the colour of a picture away below a map, and `symbols`.
std::string symbols_svg(const std::string& symbols);

}  // namespace tessera
