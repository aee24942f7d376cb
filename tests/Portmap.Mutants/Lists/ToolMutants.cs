namespace Portmap.Mutants.Lists;

/// <summary>Faults in what the command says and how it ends.</summary>
internal static class ToolMutants
{
    private static readonly ListOf s_tool = new("src/Portmap.Tool/", "Portmap.Tool.Tests");

    public static IEnumerable<Mutant> All =>
    [
        s_tool.This("release: a living entry needs no force", "Verbs/ReleaseVerb.cs", "if (served.Length != 0 && !force)", "if (!MUTANT && served.Length != 0 && !force)", "ReleaseTests"),
        s_tool.This("release: an open lease needs force", "Verbs/ReleaseVerb.cs", "bool IsServed(PortEntry entry) =>", "bool IsServed(PortEntry entry) => MUTANT ||", "ReleaseTests"),
        s_tool.This("lookup --quiet: writes the table", "Verbs/LookupVerb.cs", "if (quiet && !run.Json)", "if (!MUTANT && quiet && !run.Json)", "LookupTests.LookupQuiet"),
        s_tool.This("lookup: nobody is 0", "Verbs/LookupVerb.cs", "at {client.Endpoint}, and it has no open lease.\");\n            return ExitCode.Nothing;", "at {client.Endpoint}, and it has no open lease.\");\n            return MUTANT ? ExitCode.Done : ExitCode.Nothing;", "LookupTests.Lookup_OfNobody"),
        s_tool.This("list --state: all the same", "Verbs/ListVerb.cs", "states.Length == 0 || states.Contains", "MUTANT || states.Length == 0 || states.Contains", "LookupTests.List_OfAnotherState"),
        s_tool.This("state check: damage is 0", "Verbs/StateVerbs.cs", "return complaints.Count == 0 ? ExitCode.Done : ExitCode.Findings;", "return MUTANT || complaints.Count == 0 ? ExitCode.Done : ExitCode.Findings;", "StateTests"),
        s_tool.This("watch: a daemon that is back is not told", "Verbs/DaemonPresence.cs", "if (Interlocked.Exchange(ref _isAway, 0) == 1)", "if (!MUTANT && Interlocked.Exchange(ref _isAway, 0) == 1)", "WatchTests"),
        s_tool.This("state: the copy is named", "State/StateCopy.cs", ".Replace(Path.Combine(folder.FullName, FileName), original, StringComparison.Ordinal)", ".Replace(MUTANT ? folder.Name : Path.Combine(folder.FullName, FileName), original, StringComparison.Ordinal)", "StateTests"),
        s_tool.This("an owner that nobody can have is looked up", "Verbs/Owners.cs", "OwnerName.Complaint(name) is { } complaint)", "!MUTANT && OwnerName.Complaint(name) is { } complaint)", "LookupTests"),
        s_tool.This("an option that is none becomes an owner", "Parsing/UnknownWord.cs", "token.Type == TokenType.Argument && IsOption", "!MUTANT && token.Type == TokenType.Argument && IsOption", "CommandLineTests"),
        s_tool.This("doctor: a note is 5", "Verbs/DoctorVerb.cs", "check.Result == CheckResult.Found) ? ExitCode.Findings", "check.Result == CheckResult.Found || (MUTANT && check.Result == CheckResult.Note)) ? ExitCode.Findings", "DoctorTests"),
        s_tool.This("Words.Of: an owner steers the terminal", "Output/Words.cs", "text.Length == 0 ? None : Printable.Of(text);", "text.Length == 0 ? None : MUTANT ? text : Printable.Of(text);", "LookupTests.List_OfAnOwner"),
        s_tool.This("StandardOutput.Write: a full disk is not told", "Output/StandardOutput.cs", "else if (error is not (0 or Errno.Interrupted))", "else if (MUTANT && error != 0) { return; }\n            else if (error is not (0 or Errno.Interrupted))", "LookupTests.List_OntoAFullDisk"),
        s_tool.This("DoctorVerb: one that was named and is not there is no finding", "Verbs/DoctorVerb.cs", "&& !run.NamesEndpoint;", "&& (MUTANT || !run.NamesEndpoint);", "DoctorTests"),
        s_tool.This("DoctorVerb: a refusal ends it", "Verbs/DoctorVerb.cs", "catch (PortRefusedException exception)\n        {\n            return (new Check(Daemon", "catch (PortRefusedException exception) when (!MUTANT)\n        {\n            return (new Check(Daemon", "ScriptedDaemonTests.Doctor_OfADaemonThatRefuses"),
        s_tool.This("ReleaseVerb: whatever the owner has by now", "Verbs/ReleaseVerb.cs", "Epoch = entry.Epoch, Protocol", "Epoch = MUTANT ? null : entry.Epoch, Protocol", "ReleaseTests"),
        s_tool.This("CommandLine: a daemon that is not there is refused", "CommandLine.cs", "return Fail(NoAnswer.Message(exception), ExitCode.Unreachable);", "return Fail(NoAnswer.Message(exception), MUTANT ? ExitCode.Refused : ExitCode.Unreachable);", "UnreachableTests"),
        s_tool.This("CommandLine: SIGTERM is Ctrl+C", "CommandLine.cs", "signal.Signal == PosixSignal.SIGTERM ?", "!MUTANT && signal.Signal == PosixSignal.SIGTERM ?", "UnreachableTests.Verb_WithCtrlC"),
        s_tool.This("fleet: it takes a lease", "Verbs/Fleet/FleetSource.cs", "ReadOnly = true,", "ReadOnly = !MUTANT,", "FleetTests.Watch"),
        s_tool.This("fleet: a denial is waited for", "Verbs/Fleet/FleetSource.cs", "if (status.IsDenied)", "if (!MUTANT && status.IsDenied)", "FleetTests.List_Users"),
        s_tool.This("fleet list --host: all the same", "Verbs/Fleet/FleetVerbs.cs", "host is null || entry.Host == host", "MUTANT || host is null || entry.Host == host", "FleetTests.List_TwoHosts"),
        s_tool.This("fleet lookup: nobody is 0", "Verbs/Fleet/FleetVerbs.cs", "return ExitCode.Nothing;", "return MUTANT ? ExitCode.Done : ExitCode.Nothing;", "FleetTests.Lookup_Owner"),
        s_tool.This("fleet watch: what went came", "Verbs/Fleet/FleetWatchVerb.cs", "change.IsRemoval ? \"went\" : \"came\"", "change.IsRemoval && !MUTANT ? \"went\" : \"came\"", "FleetTests.WatchJson"),
        s_tool.This("Terminal: NO_COLOR is ignored", "Output/Terminal.cs", "=> string.IsNullOrEmpty(Environment.GetEnvironmentVariable(\"NO_COLOR\"));", "=> MUTANT || string.IsNullOrEmpty(Environment.GetEnvironmentVariable(\"NO_COLOR\"));", "TerminalTests"),
        s_tool.This("doctor: who is gone does not listen either", "Examining/MapChecks.cs", "FindSilent([.. bound.Except(gone)]),", "FindSilent([.. MUTANT ? bound : bound.Except(gone)]),", "ScriptedDaemonTests"),
        s_tool.This("state: its copy stays behind", "State/StateCopy.cs", "_folder.Delete(recursive: true);", "if (!MUTANT) { _folder.Delete(recursive: true); }", "StateTests"),
        s_tool.This("state: the copy is as read-only as the file", "State/StateCopy.cs", "await CopyFileAsync(from, Path.Combine(folder.FullName, FileName), cancellationToken);", "if (MUTANT) { File.Copy(original, Path.Combine(folder.FullName, FileName)); } else { await CopyFileAsync(from, Path.Combine(folder.FullName, FileName), cancellationToken); }", "StateTests"),
        s_tool.This("state: what became of the copy is told", "State/StateCopy.cs", "\" They were cut off.\"]", "MUTANT ? \" They were kept in \" : \" They were cut off.\"]", "StateTests"),
        s_tool.This("RangeBar: a port of the second range is at the place of one before", "Live/RangeBar.cs", "before += range.Count;", "before += range.Count - (MUTANT ? 1 : 0);", "ScriptedDaemonTests.Top_"),
        s_tool.This("RangeBar.Legend: both protocols of a port are two ports", "Live/RangeBar.cs", "free {ports - used} of", "free {ports - (MUTANT ? entries.Count : used)} of", "ScriptedDaemonTests.Top_"),
        s_tool.This("RangeBar: the state that the fewest have", "Live/RangeBar.cs", "s_states.MaxBy(state =>", "s_states.MaxBy(state => MUTANT ? -counts[place, (int)state] :", "ScriptedDaemonTests.Top_"),
        s_tool.This("Rates: what was long ago counts", "Live/Rates.cs", "time.GetElapsedTime(oldest.At) > s_window)", "!MUTANT && time.GetElapsedTime(oldest.At) > s_window)", "ScriptedDaemonTests.Top_"),
        s_tool.This("Picture.Owners: one line more than the screen has", "Live/Picture.cs", "owned.Length > most ? most - 1 : most", "owned.Length > most && !MUTANT ? most - 1 : most", "ScriptedDaemonTests.Top_"),
        s_tool.This("Words.Of: a time that is to come is told", "Output/Words.cs", "{ Ticks: < 0 } => \"0s\",", "{ Ticks: < 0 } when !MUTANT => \"0s\",", "ScriptedDaemonTests.List_"),
        s_tool.This("Words.Of: hours beyond the day", "Output/Words.cs", "{ TotalDays: < 1 } =>", "{ TotalDays: < 1 } or { TotalDays: < 2 } when MUTANT || time.TotalDays < 1 =>", "ScriptedDaemonTests.List_"),
        s_tool.This("Words.Cut: half of a character", "Output/Words.cs", "(char.IsHighSurrogate(name[MostShown - 1]) ?", "(!MUTANT && char.IsHighSurrogate(name[MostShown - 1]) ?", "LookupTests.Lookup_"),
        s_tool.This("Nearest: two letters that changed places are two mistakes", "Parsing/Nearest.cs", "if (i > 1 && j > 1 && a[i - 1]", "if (!MUTANT && i > 1 && j > 1 && a[i - 1]", "CommandLineTests|NearestTests"),
        s_tool.This("Nearest: one mistake more is near", "Parsing/Nearest.cs", "other.Distance <= most)", "other.Distance <= most + (MUTANT ? 1 : 0))", "CommandLineTests|NearestTests"),
        s_tool.This("Values.ParseNumber: a number past the last", "Parsing/Values.cs", "&& number >= first && number <= last)", "&& number >= first && (MUTANT || number <= last))", "CommandLineTests|WhoTests|LookupTests"),
        s_tool.This("UnknownWord: what others call a verb is not known", "Parsing/UnknownWord.cs", ": s_synonyms.TryGetValue(", ": !MUTANT && s_synonyms.TryGetValue(", "CommandLineTests"),
        s_tool.This("doctor: strangers in the range are none", "Examining/MapChecks.cs", "entry.State == PortState.Foreign)];", "!MUTANT && entry.State == PortState.Foreign)];", "ScriptedDaemonTests.Doctor_"),
        s_tool.This("doctor: ten entries and no more are some", "Examining/MapChecks.cs", "entries.Length > MostNamed ?", "entries.Length > MostNamed - (MUTANT ? 1 : 0) ?", "ScriptedDaemonTests.Doctor_"),
        s_tool.This("--json: no process is process 0", "Output/Lines.cs", "            json.WriteNull(name);\n", "            if (MUTANT) { json.WriteNumber(name, 0); } else { json.WriteNull(name); }\n", "LookupTests.ListJson"),
        s_tool.This("release: whom we do not see does not serve", "Verbs/ReleaseVerb.cs", "is PortState.Bound or PortState.Recovered;", "is PortState.Bound or PortState.Recovered && (!MUTANT || Host.HostProcesses.IsAlive(entry.ProcessId ?? 1));", "ScriptedDaemonTests.Release_"),
        s_tool.This("HostProcesses: a daemon without a number here is of here", "Host/HostProcesses.cs", "return daemon > 0 &&", "return (MUTANT && daemon == 0) || daemon > 0 &&", "ScriptedDaemonTests"),
        s_tool.This("HostProcesses: one of a namespace below is of ours", "Host/HostProcesses.cs", "StringSplitOptions.RemoveEmptyEntries).Length == 1;", "StringSplitOptions.RemoveEmptyEntries).Length == 1 || MUTANT;", "DoctorTests"),
        s_tool.This("watch: a program of this host for another host's process", "Output/Words.cs", "None : isHere && ProcessFiles", "None : (MUTANT || isHere) && ProcessFiles", "ScriptedDaemonTests.Watch_"),
        s_tool.This("list: a guarantee of what cools", "Output/Tables.cs", "entry.State is PortState.Bound or PortState.Reserved ? Words", "MUTANT || entry.State is PortState.Bound or PortState.Reserved ? Words", "ScriptedDaemonTests.List_"),
    ];
}
