using System.Net.Sockets;

namespace Portmap.Rpc.Working;

/// <summary>
/// Finds a port for a process that picks its own, and listens on it in the same step: what is
/// tried is what is had.
/// </summary>
/// <remarks>
/// Ports that the kernel never hands out by itself come first: nobody's outgoing connection sits on
/// them. Then the kernel chooses inside the part it knows; at last every number of the range is
/// tried, so that the range fills to the end: those that are free, and only then those that others
/// have bound and do not listen on. One of these may be somebody's whose program is just starting.
/// </remarks>
internal sealed class PortPicker(WorkerSettings settings, Random random)
{
    private const int OutsideTries = 8;
    private const int KernelTries = 8;

    private readonly HashSet<int> _denied = [];

    /// <summary>The ports that the system did not let this user bind, and why.</summary>
    public (int Count, SocketException? Last) Denied { get; private set; }

    /// <returns>The sockets, or null when every port of the ranges is in use or
    /// excluded.</returns>
    public ListeningSockets? TryPick() => TryOutside(settings.Ports.Outside) ?? TryKernel(settings.Ports.Overlap) ?? TryAll(settings.Ports.All);

    private ListeningSockets? TryOutside(IReadOnlyList<PortRange> ranges)
    {
        int count = PickRanges.Count(ranges);
        for (int i = 0; i < OutsideTries && count > 0; i++)
        {
            int port = PickRanges.At(ranges, random.Next(count));
            if (!IsExcluded(port) && Open(port, isInsisted: false) is { } sockets)
            {
                return sockets;
            }
        }

        return null;
    }

    private ListeningSockets? TryKernel(IReadOnlyList<PortRange> overlaps)
    {
        int count = PickRanges.Count(overlaps);
        if (count == 0 || !OperatingSystem.IsLinux())
        {
            return null;
        }

        for (int i = 0; i < KernelTries; i++)
        {
            int place = random.Next(count);
            PortRange overlap = PickRanges.RangeAt(overlaps, ref place);
            try
            {
                // Null also when only the UDP half of a pair was in use: then another number may
                // do.
                if (ListeningSockets.TryOpen(settings, 0, isInsisted: false, socket => EphemeralPorts.Narrow(socket, overlap), out _) is not { } sockets)
                {
                    continue;
                }

                if (overlap.Contains(sockets.Port) && !IsExcluded(sockets.Port))
                {
                    return sockets;
                }

                sockets.Dispose();
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.ProtocolOption or SocketError.InvalidArgument or SocketError.OperationNotSupported)
            {
                return null; // a kernel before 6.3
            }
        }

        return null;
    }

    private ListeningSockets? TryAll(IReadOnlyList<PortRange> ranges) => TryAll(ranges, isInsisted: false) ?? TryAll(ranges, isInsisted: true);

    private ListeningSockets? TryAll(IReadOnlyList<PortRange> ranges, bool isInsisted)
    {
        int count = PickRanges.Count(ranges), start = random.Next(count);
        for (int i = 0; i < count; i++)
        {
            int port = PickRanges.At(ranges, (start + i) % count);
            if (!IsExcluded(port) && Open(port, isInsisted) is { } sockets)
            {
                return sockets;
            }
        }

        return null;
    }

    private ListeningSockets? Open(int port, bool isInsisted)
    {
        try
        {
            return ListeningSockets.TryOpen(settings, port, isInsisted, beforeBind: null, out _);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AccessDenied)
        {
            // That is about this number: another one may do.
            Denied = (_denied.Add(port) ? Denied.Count + 1 : Denied.Count, e);
            return null;
        }
    }

    private bool IsExcluded(int port)
    {
        foreach (PortRange range in settings.Exclude)
        {
            if (range.Contains(port))
            {
                return true;
            }
        }

        return false;
    }
}
