using System.Globalization;
using Portmap.Native;

namespace Portmap.Persistence;

/// <summary>Every refusal of a store in one place.</summary>
internal static class StoreRefusals
{
    public static PortRefusal StateInUse(string what, int holder) =>
        new(
            PortRefusalReason.StateInUse,
            () => string.Create(CultureInfo.InvariantCulture, $"{what} belongs to {(holder == 0 ? "another process" : $"process {holder}")}. Stop that daemon, or choose another state folder."))
        { HolderProcessId = holder };

    public static PortRefusal FolderNotTrusted(string folder, string complaint) =>
        new(PortRefusalReason.StoreFailed, () => $"The state folder {folder} {complaint}, who could put a state of his own there. Choose a folder of this user that nobody else may write to.");

    public static PortRefusal NewerVersion(string file, int version, int known) =>
        new(PortRefusalReason.StateUnreadable, () => string.Create(CultureInfo.InvariantCulture, $"{file} is of version {version}, and this program knows {known}. It was left as it is. Run the newer program, or choose another state folder."));

    public static PortRefusal NotAState(string file) =>
        new(PortRefusalReason.StateUnreadable, () => $"{file} is no state file: it does not begin as one, and no line of it is one of ours. It was left as it is. Move it away, or choose another state folder.");

    public static PortRefusal EpochTooHigh(long epoch, long most) =>
        new(PortRefusalReason.StateUnreadable, () => string.Create(CultureInfo.InvariantCulture, $"The state names the epoch {epoch}, and none above {most} is given. Nothing of what it tells was changed. Delete the line that names it, or choose another StateFolder."));

    public static PortRefusal TooManyOwners(int owners, int maxOwners) =>
        new(PortRefusalReason.TooManyOwners, () => string.Create(CultureInfo.InvariantCulture, $"The stored state has {owners} owners, and MaxOwners is {maxOwners}. It was left as it is. Raise MaxOwners to {owners} at least."));

    public static PortRefusal Failed(string folder, Exception exception) =>
        new(PortRefusalReason.StoreFailed, () => $"The state in {folder} could not be kept: {exception.Message} {Remedy(exception)} What was confirmed before is kept, and the store goes on as soon as that works.")
        {
            Finding = exception is StateMovedException ? Moved(exception.Message) : null,
        };

    public static PortRefusal NameTooLong(PortFact fact) =>
        new(
            PortRefusalReason.StoreFailed,
            () => string.Create(CultureInfo.InvariantCulture, $"The fact about {fact.Owner} takes more than {FactLine.MaxLength} bytes, the name of its strategy alone {fact.Strategy.Length} characters. Give the strategy a shorter name."),
            fact.Owner, fact.Port, fact.Protocol);

    private static PortFinding Moved(string what) =>
        new(PortFindingKind.StateMoved, what, "nothing was confirmed into it; the whole state is written anew at its path, and a file found there is kept as *.found-1 and so on",
            "Keep whatever did that away from the state folder: a cleaner of temporary files, a restore, a mount, a second daemon");

    private static string Remedy(Exception exception) => exception is StateMovedException
        ? "The next change writes the whole state anew at its path. Keep whatever moved it away from that folder."
        : exception is UnauthorizedAccessException
        ? FolderTrouble.Denied
        : (Errno.IsTooLong(exception) ? Errno.TooLong : exception.HResult) switch
        {
            // As they are of the system, where .NET has no code of its own.
            Errno.NoSpace or Errno.OverQuota => "Free space on that disk.",
            Errno.ReadOnly => "Make that file system writable, or choose another folder.",
            int errno => FolderTrouble.RemedyOf(errno) ?? "See the kernel's log about that disk.",
        };
}
