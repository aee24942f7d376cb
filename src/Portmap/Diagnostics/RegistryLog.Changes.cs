using Microsoft.Extensions.Logging;

namespace Portmap.Diagnostics;

/// <summary>A line for each change that somebody asked for, on the level Debug.</summary>
/// <remarks>These are not limited: who turns Debug on wants each. Whoever calls has asked
/// <see cref="TellsChanges"/> before, once, so that nothing is made for a line that nobody
/// reads.</remarks>
internal sealed partial class RegistryLog
{
    /// <summary>Whether somebody reads the lines on changes. Asked anew for each: a host changes
    /// its levels while it runs.</summary>
    public bool TellsChanges => Logger.IsEnabled(LogLevel.Debug);

    /// <summary>Tells that a lease or a registration is in force.</summary>
    public void TookEffect(in PortEntry entry)
    {
        string owner = Printable.Of(entry.Owner);
        long epoch = entry.Epoch ?? 0;
        if (entry.State == PortState.Reserved)
        {
            PortmapLog.Acquired(Logger, owner, entry.Protocol, entry.Port, epoch, Printable.Of(entry.Strategy));
        }
        else
        {
            PortmapLog.Registered(Logger, owner, entry.Protocol, entry.Port, epoch, entry.ProcessId ?? 0);
        }
    }

    private void GaveWay(PortChangeKind kind, in PortEntry ended)
    {
        string owner = Printable.Of(ended.Owner);
        long epoch = ended.Epoch ?? 0;
        if (kind == PortChangeKind.Replaced)
        {
            PortmapLog.Replaced(Logger, owner, ended.Protocol, ended.Port, epoch);
        }
        else
        {
            PortmapLog.Released(Logger, owner, ended.Protocol, ended.Port, epoch);
        }
    }
}
