using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;

namespace ManagementDaemon.PortServer;

/// <summary>A process that ports are picked for, as the kernel knows it: a number that was given
/// to another process meanwhile is another one.</summary>
/// <param name="Id">Its number.</param>
/// <param name="StartTime">When it started, in clock ticks since the boot.</param>
/// <param name="UserId">Its user.</param>
internal readonly record struct PickingProcess(int Id, long StartTime, uint UserId)
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const int StartTimeField = 22;
    private const int FieldsBeforeState = 2;

    /// <summary>The process with a number, or null when there is none that lives.</summary>
    public static PickingProcess? Find(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');   // a program's name may have brackets
            string user = File.ReadLines($"/proc/{id}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];
            return fields[0] is "Z" or "X"
                ? null
                : new PickingProcess(id, long.Parse(fields[StartTimeField - FieldsBeforeState - 1], CultureInfo.InvariantCulture), uint.Parse(user, CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Whether who is connected may pick for a process: it is the process, of its user, or
    /// root. A shell asks with its own number in the place of the client's, which is its
    /// child.</summary>
    public bool IsAskedForBy(Socket client)
    {
        byte[] credential = new byte[12];   // struct ucred: pid, uid, gid
        client.GetRawSocketOption(SolSocket, SoPeerCred, credential);
        uint user = BinaryPrimitives.ReadUInt32LittleEndian(credential.AsSpan(4));
        return BinaryPrimitives.ReadInt32LittleEndian(credential) == Id || user == UserId || user == 0;
    }
}
