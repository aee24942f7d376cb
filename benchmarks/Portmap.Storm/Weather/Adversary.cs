using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Portmap.Storm.Weather;

/// <summary>Listens on random numbers of the range, explicitly and with SO_REUSEADDR (.NET's
/// default), as fast as it can.</summary>
/// <remarks>The one kind of stranger that an open gate lets in.</remarks>
internal static class Adversary
{
    public const string Verb = "adversary";

    private const int Held = 64;

    private static readonly PortBook s_book = new();

    private static long s_seized;

    public static int Run()
    {
        new Thread(Seize) { IsBackground = true }.Start();
        while (Console.ReadLine() is { } line)
        {
            // Whom it kept from a number may say so before its own bind has returned.
            Console.WriteLine(line != Interference.Count ? PortBook.Answer(line, isCertain: false, s_book) : Volatile.Read(ref s_seized).ToString(CultureInfo.InvariantCulture));
        }

        return ExitCode.Success;
    }

    private static void Seize()
    {
        Random random = new();
        SocketRing held = new(Held);
        while (true)
        {
            Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            int port = random.Next(StormNamespace.Ports.First, StormNamespace.Ports.Last + 1);
            try
            {
                lock (s_book.Turn)
                {
                    long before = Stopwatch.GetTimestamp();
                    socket.Bind(new IPEndPoint(IPAddress.Any, port));
                    socket.Listen(1);
                    s_book.Note(port, before);
                }

                Volatile.Write(ref s_seized, s_seized + 1);
                held.Add(socket);
            }
            catch (SocketException)
            {
                socket.Dispose();   // somebody has it
            }
        }
    }
}
