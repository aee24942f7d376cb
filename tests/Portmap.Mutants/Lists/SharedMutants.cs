namespace Portmap.Mutants.Lists;

/// <summary>Faults in what several packages are compiled with: names, texts, limits, calls into the
/// kernel.</summary>
internal static class SharedMutants
{
    private static readonly ListOf s_shared = new("src/Shared/", "Portmap.Tests");

    public static IEnumerable<Mutant> All =>
    [
        s_shared.This("OwnerName.Complaint: one byte more than an owner may have", "OwnerName.cs", ": bytes <= MaxBytes ? null", ": bytes <= MaxBytes + (MUTANT ? 1 : 0) ? null", "OwnerNameTests"),
        s_shared.This("OwnerName.Complaint: a zero at the beginning passes", "OwnerName.cs", "if (nul >= 0)", "if (nul >= (MUTANT ? 1 : 0))", "OwnerNameTests"),
        s_shared.This("OwnerName.TryDecode: a zero is part of a name", "OwnerName.cs", "|| bytes.Contains((byte)0)", "|| (!MUTANT && bytes.Contains((byte)0))", "OwnerTextTests|ConnectionTests", "Portmap.Rpc.Tests"),
        s_shared.This("PortmapVariables.Of: the name stands there as it was given", "PortmapVariables.cs", "name.ToUpperInvariant()", "(MUTANT ? name : name.ToUpperInvariant())", "PrepareStart"),
        s_shared.This("PortmapVariables.CheckName: a digit at the beginning", "PortmapVariables.cs", "&& char.IsAsciiLetter(name[0]) &&", "&& (MUTANT || char.IsAsciiLetter(name[0])) &&", "PrepareStart"),
        s_shared.This("PortmapVariables.CheckName: one that makes the fleet epoch of another", "PortmapVariables.cs", "if (name is not null && $\"_{name}\"", "if (!MUTANT && name is not null && $\"_{name}\"", "PrepareStart"),
        s_shared.This("PortmapVariables.CheckName: a part of a word is a word", "PortmapVariables.cs", "EndsWith(\"_fleet\",", "EndsWith(MUTANT ? \"fleet\" : \"_fleet\",", "PrepareStart"),
        s_shared.This("KernelSettings.EphemeralRange: one port alone", "KernelSettings.cs", "{ends[0]}-{ends[1]}", "{ends[0]}-{ends[MUTANT ? 0 : 1]}", "DiagnosisTests"),
        s_shared.This("KernelSettings.FieldOf: all of the line", "KernelSettings.cs", "(end < 0 ? rest : rest[..end])", "(MUTANT || end < 0 ? rest : rest[..end])", "DiagnosisTests"),
        s_shared.This("DescriptorShares.OfGuards: all descriptors", "DescriptorShares.cs", "=> limit / 2;", "=> limit / (MUTANT ? 1 : 2);", "DiagnosisTests"),
        s_shared.This("DescriptorShares.OfProcesses: a fifth where there are few", "DescriptorShares.cs", "limit < Many ? 8 : 5", "limit < Many && !MUTANT ? 8 : 5", "DescriptorsTests", "Portmap.Rpc.Tests"),
        s_shared.This("StoppableSequence: one that was disposed goes on", "StoppableSequence.cs", "                case Ended:\n", "                case Ended when !MUTANT:\n", "StoppableSequenceTests"),
        s_shared.This("StoppableSequence: two steps at once", "StoppableSequence.cs", "                case Moving:\n", "                case Moving when !MUTANT:\n", "StoppableSequenceTests"),
        s_shared.This("StoppableSequence: disposed before the sequence is", "StoppableSequence.cs", "            await _closed.Task.ConfigureAwait(false);\n", "            if (!MUTANT) { await _closed.Task.ConfigureAwait(false); }\n", "StoppableSequenceTests"),
        s_shared.This("TimeHint.Of: any time was meant in seconds", "TimeHint.cs", "value > TimeSpan.Zero && value.Ticks", "value > TimeSpan.Zero && (MUTANT ? 0 : 1) * value.Ticks", "PortRegistryOptions|PortmapExtensions"),
        s_shared.This("Printable: what turns the order of letters is printed", "Diagnostics/Printable.cs", "=> Rune.GetUnicodeCategory(rune) is not", "=> (MUTANT && Rune.GetUnicodeCategory(rune) == UnicodeCategory.Format) || Rune.GetUnicodeCategory(rune) is not", "LoggedNamesTests"),
        s_shared.This("Printable: half of a character beyond the basic plane is written", "Diagnostics/Printable.cs", "else if (length == 1)", "else if (MUTANT || length == 1)", "LoggedNamesTests"),
        s_shared.This("Printable.Escape: what comes after the first is printed", "Diagnostics/Printable.cs", "if (isRune && IsPrintable(rune))", "if (isRune && ((MUTANT && at > from) || IsPrintable(rune)))", "LoggedNamesTests"),
        s_shared.This("ContainedLogger.IsEnabled: what it throws gets out", "Diagnostics/ContainedLogger.cs", "        catch (Exception)\n        {\n            return false;", "        catch (Exception) when (!MUTANT)\n        {\n            return false;", "HostFaultTests"),
        s_shared.This("ContainedLogger.Log: what it throws gets out", "Diagnostics/ContainedLogger.cs", "        catch (Exception)\n        {\n            // As above.", "        catch (Exception) when (!MUTANT)\n        {\n            // As above.", "HostFaultTests"),
        s_shared.This("KeyedMeters.Create: the tags of the meter are dropped", "Diagnostics/KeyedMeters.cs", "[.. options.Tags ?? [],", "[.. (MUTANT ? null : options.Tags) ?? [],", "KeyedMetersTests"),
        s_shared.This("KeyedMeters.Create: does not say which registry", "Diagnostics/KeyedMeters.cs", "new(Tag, key)", "new(Tag, MUTANT ? null : key)", "KeyedMetersTests"),
        s_shared.This("ServedAlready.Text: who is recovered is served", "ServedAlready.cs", "isRecovered ? \"recovered\"", "isRecovered && !MUTANT ? \"recovered\"", "UnlessServed"),
        s_shared.This("PosixFile.IsOpenToOthers: a sticky folder is open", "Native/PosixFile.cs", "&& (Mode & Sticky) == 0;", "&& (MUTANT || (Mode & Sticky) == 0);", "UnixEndpointTests", "Portmap.Rpc.Tests"),
        s_shared.This("PosixFile.IsOpenToOthers: a folder that its group may write is closed", "Native/PosixFile.cs", "(allowGroup ? WritableByAll :", "(MUTANT || allowGroup ? WritableByAll :", "UnixEndpointTests", "Portmap.Rpc.Tests"),
        s_shared.This("Posix.IsThere: another user's process is none", "Native/Posix.Processes.cs", "Kill(processId, 0) == 0 || Marshal", "Kill(processId, 0) == 0 || !MUTANT && Marshal", "LivenessTests|ProcessIdentityTests"),
    ];
}
