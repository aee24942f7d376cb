using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Portmap.Storm.Weather;

/// <summary>Everybody else on the host: opens and closes outgoing connections, and binds port 0, as
/// fast as it can. Never names a number.</summary>
/// <remarks> One thread connects, one binds. The newest of both kinds stay open for a while, so
/// that a part of the range is always taken, and always another one. Connections are closed by a
/// reset: TIME_WAIT would use up a narrow range within a second, and then nobody would measure
/// anything but that.
/// </remarks>
internal static class PassersBy
{
    public const string Verb = "passers-by";

    private const int OpenConnections = 320;
    private const int OpenBinds = 128;

    private static readonly PortBook s_connected = new();
    private static readonly PortBook s_bound = new();

    private static long s_connections;
    private static long s_binds;

    public static int Run()
    {
        Begin(Connect);
        Begin(BindAny);
        while (Console.ReadLine() is { } line)
        {
            Console.WriteLine(line != Interference.Count ? PortBook.Answer(line, isCertain: true, s_connected, s_bound) : string.Create(CultureInfo.InvariantCulture, $"{Volatile.Read(ref s_connections)} {Volatile.Read(ref s_binds)}"));
        }

        return ExitCode.Success;
    }

    private static void Begin(ThreadStart work) => new Thread(work) { IsBackground = true }.Start();

    private static void Connect()
    {
        using Socket target = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        target.Bind(new IPEndPoint(IPAddress.Loopback, StormNamespace.Ports.First - 1));
        target.Listen(1);
        SocketRing connected = new(OpenConnections), accepted = new(OpenConnections);
        while (true)
        {
            Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
            connected.Add(socket);
            try
            {
                lock (s_connected.Turn)
                {
                    long before = Stopwatch.GetTimestamp();
                    socket.Connect(target.LocalEndPoint!);
                    s_connected.Note(((IPEndPoint)socket.LocalEndPoint!).Port, before);
                }

                Volatile.Write(ref s_connections, s_connections + 1);
            }
            catch (SocketException)
            {
                continue;   // no port was left; the next one
            }

            accepted.Add(target.Accept());   // here, not on another thread: one that falls behind would fill the backlog, and connect() would wait a second
        }
    }

    private static void BindAny()
    {
        SocketRing open = new(OpenBinds);
        while (true)
        {
            Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                lock (s_bound.Turn)
                {
                    long before = Stopwatch.GetTimestamp();
                    socket.Bind(new IPEndPoint(IPAddress.Any, 0));
                    s_bound.Note(((IPEndPoint)socket.LocalEndPoint!).Port, before);
                }

                socket.Listen(1);
                Volatile.Write(ref s_binds, s_binds + 1);
            }
            catch (SocketException)
            {
                // No port was left; the next one.
            }

            open.Add(socket);
        }
    }
}
