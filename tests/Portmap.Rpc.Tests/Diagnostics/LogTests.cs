using System.Reflection;
using Microsoft.Extensions.Logging;
using Portmap.Rpc.Diagnostics;

namespace Portmap.Rpc.Tests.Diagnostics;

public class LogTests
{
    [Fact]
    public void Events_HaveTheIdsAndNamesThatHostsFilterBy() =>
        typeof(Log).GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static)
            .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>())
            .OfType<LoggerMessageAttribute>()
            .Select(message => $"{message.EventId} {message.EventName} {message.Level}")
            .Should().Equal(
                "2001 ServerListening Information",
                "2002 ServerStopped Information",
                "2003 LeftoverReplaced Information",
                "2004 ConnectionLimitReached Warning",
                "2005 AcceptFailed Error",
                "2006 RecordTooLong Warning",
                "2007 NotACall Warning",
                "2008 HalfRecord Debug",
                "2009 GarbageArguments Debug",
                "2010 ProgramFailed Error",
                "2011 ConnectionBroke Debug",
                "2012 ConnectionFailed Error",
                "2013 Refused Debug",
                "2014 RemoteEndpoint Warning",
                "2015 PeerLimitReached Warning",
                "2016 RecordTimedOut Warning",
                "2017 AnswersNotRead Warning",
                "2018 IdleTimedOut Information",
                "2019 PendingLimitReached Warning",
                "2020 LinesLeftOut Information",
                "2021 ConnectionsLowered Warning",
                "2022 AcceptPaused Error",
                "2023 SocketFileMadeAgain Warning",
                "2024 SocketFileLost Error",
                "2101 SignedIn Information",
                "2102 BindHealed Warning",
                "2103 DaemonLost Warning",
                "2104 SignInDelayed Debug",
                "2105 SignInRefused Error",
                "2106 SignOutFailed Debug",
                "2107 Lost Error",
                "2108 CheckFailed Debug");
}
