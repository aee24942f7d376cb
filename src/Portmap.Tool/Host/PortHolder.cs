using Portmap.Guarding;
using Portmap.Processes;

namespace Portmap.Tool.Host;

/// <summary>Who has a port, as the kernel and /proc say.</summary>
/// <param name="Protocol">TCP or UDP.</param>
/// <param name="Address">Where; * is every address of both families.</param>
/// <param name="Listens">
/// It listens, or for UDP is bound; otherwise it is a connection or a placeholder.
/// </param>
/// <param name="UserId">Whose the socket is.</param>
/// <param name="ProcessId">The process; null when it cannot be told, or none has it any
/// more.</param>
/// <param name="Command">The name of its program, or empty.</param>
internal sealed record PortHolder(PortProtocol Protocol, string Address, bool Listens, uint UserId, int? ProcessId, string Command)
{
    /// <summary>All of them; null where the kernel cannot be asked.</summary>
    public static IReadOnlyList<PortHolder>? Of(int port)
    {
        List<PortHolder> holders = [];
        foreach (PortProtocol protocol in (ReadOnlySpan<PortProtocol>)[PortProtocol.Tcp, PortProtocol.Udp])
        {
            if (PortSockets.All(protocol, port) is not { } sockets)
            {
                return null;
            }

            PortSocket[] ours = [.. sockets.Where(socket => socket.Port == port)];
            ILookup<long, int> processes = ProcessSockets.HoldersOf(ours.Select(socket => socket.Inode).Where(inode => inode != 0).ToHashSet())
                .SelectMany(holder => holder.Sockets.Distinct(), (holder, socket) => (socket, holder.ProcessId))
                .ToLookup(pair => pair.socket, pair => pair.ProcessId);
            foreach (PortSocket socket in ours)
            {
                foreach (int? process in processes[socket.Inode].Select(process => (int?)process).DefaultIfEmpty())
                {
                    holders.Add(new(protocol, socket.Served, socket.Listens, socket.UserId, process, process is { } pid ? ProcessFiles.NameOf(pid) : string.Empty));
                }
            }
        }

        return [.. holders.Distinct().OrderBy(holder => holder.Protocol).ThenByDescending(holder => holder.Listens)];
    }
}
